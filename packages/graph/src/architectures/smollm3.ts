/**
 * SmolLM3 (transformers: SmolLM3Config, modeling_smollm3): Llama in which every fourth layer does not rotate queries and keys
 * (no_rope_layers has a 0 for those). With use_sliding_window, the layers that rotate have a window.
 */
import type { ConfigReader } from '../config/config-reader.ts';
import { readLayerWindows, readWindow } from '../config/layer-windows.ts';
import { most } from '../config/limits.ts';
import { readRope } from '../config/rope.ts';
import type { Architecture } from './architecture.ts';
import { defaultMlp, describeLlamaLayout, readLlamaNumbers } from './llama-layout.ts';

export const smollm3: Architecture = {
  name: 'SmolLM3ForCausalLM',
  modelType: 'smollm3',
  describe(config) {
    const common = readLlamaNumbers(config, { contextTokens: 32_768 });
    const { layers } = common.numbers;
    const rotates = readRotatingLayers(config, layers);
    const rope = readRope(config, common.numbers, { defaultTheta: 2_000_000 });
    const window = config.flagOr('use_sliding_window', false) ? readWindow(config) : undefined;
    const rule = { window, isSliding: (layer: number) => rotates[layer] === true };
    const biased = config.flagOr('attention_bias', false);
    return describeLlamaLayout(config, {
      architecture: smollm3.name,
      ...common,
      tied: true,
      biased: { input: biased, output: biased },
      windows: window === undefined ? [] : readLayerWindows(config, layers, rule),
      rope: (layer) => (rotates[layer] === true ? rope : undefined),
      mlp: defaultMlp(config, common.numbers, config.flagOr('mlp_bias', false)),
    });
  },
};

/** [layers]; no_rope_layers, or every layer but each no_rope_layer_interval-th. */
function readRotatingLayers(config: ConfigReader, layers: number): readonly boolean[] {
  const flags = config.numbers('no_rope_layers');
  const interval = config.countOr('no_rope_layer_interval', 4, { most: most.layers });
  if (flags === undefined) return Array.from({ length: layers }, (_, layer) => (layer + 1) % interval !== 0);
  if (flags.length !== layers || !flags.every((flag) => flag === 0 || flag === 1))
    throw config.fault(`no_rope_layers is not a list of ${layers} times 0 or 1`);
  return flags.map((flag) => flag === 1);
}
