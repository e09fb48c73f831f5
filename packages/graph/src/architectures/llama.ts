/**
 * Llama 2 and 3 (transformers: LlamaConfig, modeling_llama).
 *
 *     x += attention(rms(x));  x += down(silu(gate(rms(x))) * up(rms(x)));  logits = head(rms(x))
 */
import type { Architecture } from './architecture.ts';
import { defaultMlp, describeLlamaLayout, readLlamaNumbers } from './llama-layout.ts';

export const llama: Architecture = {
  name: 'LlamaForCausalLM',
  modelType: 'llama',
  describe(config) {
    const common = readLlamaNumbers(config, { contextTokens: 2048 });
    const biased = config.flagOr('attention_bias', false);
    return describeLlamaLayout(config, {
      architecture: llama.name,
      ...common,
      biased: { input: biased, output: biased },
      mlp: defaultMlp(config, common.numbers, config.flagOr('mlp_bias', false)),
    });
  },
};
