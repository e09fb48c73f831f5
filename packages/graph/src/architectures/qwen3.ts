/**
 * Qwen3 (transformers: Qwen3Config, modeling_qwen3): Llama with a head size of its own and an RMS norm on each head of queries and keys
 * before they are rotated.
 */
import type { Architecture } from './architecture.ts';
import { describeLlamaLayout, readLlamaNumbers, withQueryKeyNorm } from './llama-layout.ts';
import { rmsNorm } from './parts.ts';
import { readUpperWindows } from './qwen2.ts';

export const qwen3: Architecture = {
  name: 'Qwen3ForCausalLM',
  modelType: 'qwen3',
  describe(config) {
    const common = readLlamaNumbers(config, { contextTokens: 32_768, headDim: 128 });
    const { numbers, epsilon } = common;
    const biased = config.flagOr('attention_bias', false);
    return describeLlamaLayout(config, {
      architecture: qwen3.name,
      ...common,
      windows: readUpperWindows(config, numbers.layers),
      biased: { input: biased, output: biased },
      change: (layer, at) =>
        withQueryKeyNorm(layer, {
          query: rmsNorm({ name: `${at}.self_attn.q_norm`, hidden: numbers.headDim, epsilon }),
          key: rmsNorm({ name: `${at}.self_attn.k_norm`, hidden: numbers.headDim, epsilon }),
        }),
    });
  },
};
