/** What is taken from a model so that its K/V take less memory: a pass over its description. */
import type { DecoderDescription, LayerDescription } from '../blocks/description.ts';
import type { ModelTrims } from '../compiled-model.ts';
import { GraphError } from '../errors.ts';

/** Trims with every choice made. */
export interface ResolvedTrims {
  /** Layers that are left out, ascending. */
  readonly dropped: readonly number[];
  readonly kvHeads: number;
  readonly kvHeadsBy: 'mean' | 'first';
  /** Infinity: no limit. */
  readonly windowTokens: number;
}

const names: readonly string[] = ['dropLayers', 'kvHeads', 'kvHeadsBy', 'windowTokens'];

/** Undefined: nothing is taken away. Pure. Throws OPTION_INVALID. */
export function resolveTrims(trims: ModelTrims | undefined, { shape }: DecoderDescription): ResolvedTrims | undefined {
  if (trims === undefined) return undefined;
  const unknown = Object.keys(trims).find((name) => !names.includes(name));
  if (unknown !== undefined) throw wrong(`option trims.${unknown} is unknown: give ${names.join(', ')}`);
  const { dropLayers = 0, kvHeads = shape.kvHeads, kvHeadsBy = 'mean', windowTokens } = trims;
  const dropped = droppedLayers(dropLayers, shape.layers);
  if (!Number.isInteger(kvHeads) || kvHeads < 1 || shape.kvHeads % kvHeads !== 0) {
    throw wrong(`option trims.kvHeads is ${kvHeads}: give a divisor of the model's ${shape.kvHeads}`);
  }
  if (kvHeadsBy !== 'mean' && kvHeadsBy !== 'first') {
    throw wrong(`option trims.kvHeadsBy is ${JSON.stringify(kvHeadsBy)}: give mean or first`);
  }
  if (windowTokens !== undefined && (!Number.isInteger(windowTokens) || windowTokens < 1)) {
    throw wrong(`option trims.windowTokens is ${windowTokens}: give a whole number from 1`);
  }
  const nothing = dropped.length === 0 && kvHeads === shape.kvHeads && windowTokens === undefined;
  return nothing ? undefined : { dropped, kvHeads, kvHeadsBy, windowTokens: windowTokens ?? Number.POSITIVE_INFINITY };
}

/** The model without the dropped layers, each row seeing at most the window. K/V heads are `mergeHeads`' matter. Pure. */
export function trimLayers(model: DecoderDescription, { dropped, windowTokens }: ResolvedTrims): DecoderDescription {
  const left = model.layers.filter((_, layer) => !dropped.includes(layer));
  const layers = left.map((layer): LayerDescription => {
    const window = Math.min(layer.attention.window ?? Number.POSITIVE_INFINITY, windowTokens);
    return Number.isFinite(window) ? { ...layer, attention: { ...layer.attention, window } } : layer;
  });
  return { ...model, layers, shape: { ...model.shape, layers: layers.length } };
}

/** A number takes the last layers before the very last one, which are missed least; the last one prepares the head. */
function droppedLayers(dropLayers: number | readonly number[], layers: number): number[] {
  const isCount = typeof dropLayers === 'number';
  const wanted = isCount
    ? Array.from({ length: Math.max(0, dropLayers) }, (_, i) => layers - 2 - i)
    : [...new Set(dropLayers)];
  const given = JSON.stringify(dropLayers);
  const isPossible = (layer: number) => Number.isInteger(layer) && layer >= 0 && layer < layers;
  if (
    (isCount && !(Number.isInteger(dropLayers) && dropLayers >= 0)) ||
    !wanted.every(isPossible) ||
    wanted.length >= layers
  ) {
    throw wrong(
      `option trims.dropLayers is ${given}: give a number up to ${layers - 1}, or some of the layers 0 to ${layers - 1}`,
    );
  }
  return wanted.sort((a, b) => a - b);
}

function wrong(message: string): GraphError {
  return new GraphError('OPTION_INVALID', message);
}
