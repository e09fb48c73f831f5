/**
 * Mistral (transformers: MistralConfig, modeling_mistral): Llama whose layers see only the last `sliding_window` tokens, where it is set.
 */
import { readLayerWindows, readWindow } from '../config/layer-windows.ts';
import type { Architecture } from './architecture.ts';
import { describeLlamaLayout, readLlamaNumbers } from './llama-layout.ts';

export const mistral: Architecture = {
  name: 'MistralForCausalLM',
  modelType: 'mistral',
  describe(config) {
    const common = readLlamaNumbers(config, { contextTokens: 131_072 });
    const rule = { window: readWindow(config), isSliding: () => true };
    const windows = readLayerWindows(config, common.numbers.layers, rule);
    return describeLlamaLayout(config, { architecture: mistral.name, ...common, windows });
  },
};
