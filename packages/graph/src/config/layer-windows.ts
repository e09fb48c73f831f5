/** Which layers see only a sliding window. */
import type { ConfigReader } from './config-reader.ts';
import { most } from './limits.ts';

export type LayerType = 'full' | 'sliding';

const layerTypes: ReadonlyMap<unknown, LayerType> = new Map([
  ['full_attention', 'full'],
  ['sliding_attention', 'sliding'],
]);

/** `layer_types`, which newer configs spell out; undefined when it is absent. Throws CONFIG_INVALID. */
function readLayerTypes(config: ConfigReader, layers: number): readonly LayerType[] | undefined {
  if (!config.has('layer_types')) return undefined;
  const names = config.texts('layer_types');
  if (names.length !== layers) throw config.fault(`layer_types has ${names.length} entries for ${layers} layers`);
  return names.map((name) => {
    const type = layerTypes.get(name);
    if (type !== undefined) return type;
    throw config.fault(
      `layer_types has ${JSON.stringify(name.slice(0, 60))} where full_attention or sliding_attention belongs`,
    );
  });
}

/** Tokens that a row sees, its own included; undefined without a window. Throws CONFIG_INVALID. */
export function readWindow(config: ConfigReader, field = 'sliding_window'): number | undefined {
  return config.has(field) ? config.count(field, { most: most.context }) : undefined;
}

export interface WindowRule {
  /** undefined: no layer has one. */
  readonly window: number | undefined;
  /** What layers are when config.json does not spell it out. */
  readonly isSliding: (layer: number) => boolean;
}

/** [layers] the window of each layer, or undefined. Throws CONFIG_INVALID. */
export function readLayerWindows(
  config: ConfigReader,
  layers: number,
  rule: WindowRule,
): readonly (number | undefined)[] {
  const types = readLayerTypes(config, layers);
  return Array.from({ length: layers }, (_, layer) => {
    const isSliding = types === undefined ? rule.isSliding(layer) : types[layer] === 'sliding';
    if (isSliding && types !== undefined && rule.window === undefined)
      throw config.fault('layer_types asks for sliding_attention, but sliding_window is missing');
    return isSliding ? rule.window : undefined;
  });
}
