/**
 * Qwen2 and 2.5 (transformers: Qwen2Config, modeling_qwen2): Llama with biases on queries, keys and values; with use_sliding_window, the
 * layers from max_window_layers on have a window.
 */
import type { ConfigReader } from '../config/config-reader.ts';
import { readLayerWindows, readWindow } from '../config/layer-windows.ts';
import { most } from '../config/limits.ts';
import type { Architecture } from './architecture.ts';
import { describeLlamaLayout, readLlamaNumbers } from './llama-layout.ts';

export const qwen2: Architecture = {
  name: 'Qwen2ForCausalLM',
  modelType: 'qwen2',
  describe(config) {
    const common = readLlamaNumbers(config, { contextTokens: 32_768 });
    const windows = readUpperWindows(config, common.numbers.layers);
    return describeLlamaLayout(config, { architecture: qwen2.name, ...common, windows, biased: { input: true } });
  },
};

/** Windows of the layers from max_window_layers on, where use_sliding_window asks for them. */
export function readUpperWindows(config: ConfigReader, layers: number): readonly (number | undefined)[] {
  const window = config.flagOr('use_sliding_window', false) ? readWindow(config) : undefined;
  const first = config.countOr('max_window_layers', 28, { least: 0, most: most.layers });
  // Configs spell layer_types out even where windows are off.
  if (window === undefined) return [];
  return readLayerWindows(config, layers, { window, isSliding: (layer) => layer >= first });
}
