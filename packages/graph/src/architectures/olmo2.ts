/**
 * OLMo 2 (transformers: Olmo2Config, modeling_olmo2): Llama whose norms come behind the branches, and that normalises queries and keys
 * over all heads together.
 *
 *     x += rms(attention(x));  x += rms(mlp(x))
 */
import type { Architecture } from './architecture.ts';
import { describeLlamaLayout, readLlamaNumbers, withQueryKeyNorm } from './llama-layout.ts';
import { rmsNorm } from './parts.ts';

export const olmo2: Architecture = {
  name: 'Olmo2ForCausalLM',
  modelType: 'olmo2',
  describe(config) {
    const common = readLlamaNumbers(config, { contextTokens: 2048, epsilon: 1e-5 });
    const { numbers, epsilon } = common;
    const { hidden, heads, kvHeads, headDim } = numbers;
    const biased = config.flagOr('attention_bias', false);
    return describeLlamaLayout(config, {
      architecture: olmo2.name,
      ...common,
      biased: { input: biased, output: biased },
      change: ({ attention, mlp }, at) =>
        withQueryKeyNorm(
          {
            attention,
            attentionOutputNorm: rmsNorm({ name: `${at}.post_attention_layernorm`, hidden, epsilon }),
            mlp,
            mlpOutputNorm: rmsNorm({ name: `${at}.post_feedforward_layernorm`, hidden, epsilon }),
          },
          {
            query: rmsNorm({ name: `${at}.self_attn.q_norm`, hidden: heads * headDim, epsilon }),
            key: rmsNorm({ name: `${at}.self_attn.k_norm`, hidden: kvHeads * headDim, epsilon }),
          },
        ),
    });
  },
};
