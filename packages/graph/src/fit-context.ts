import type { DecoderDescription, LayerDescription } from './blocks/description.ts';
import { windowsOf } from './lowering/step-inputs.ts';

/** The description for a context of so many tokens, windows of the shape filled in: one of at least the whole context is none. Pure. */
export function fitToContext(own: DecoderDescription, contextTokens: number): DecoderDescription {
  const layers = own.layers.map((layer): LayerDescription => {
    const { window, ...attention } = layer.attention;
    return window === undefined || window < contextTokens ? layer : { ...layer, attention };
  });
  const windows = windowsOf(layers.map(({ attention }) => attention));
  return { ...own, layers, shape: { ...own.shape, contextTokens, ...windows } };
}
