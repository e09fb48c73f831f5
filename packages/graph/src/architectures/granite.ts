/**
 * Granite (transformers: GraniteConfig, modeling_granite): Llama with four multipliers.
 *
 *     x = embedding_multiplier * embedding;  scores = attention_multiplier * q k;  x += residual_multiplier * branch;
 *     logits = head(rms(x)) / logits_scaling
 */
import type { Architecture } from './architecture.ts';
import { defaultMlp, describeLlamaLayout, readLlamaNumbers } from './llama-layout.ts';

export const granite: Architecture = {
  name: 'GraniteForCausalLM',
  modelType: 'granite',
  describe(config) {
    const common = readLlamaNumbers(config, { contextTokens: 2048 });
    const biased = config.flagOr('attention_bias', false);
    const branchScale = config.positiveOr('residual_multiplier', 1);
    const description = describeLlamaLayout(config, {
      architecture: granite.name,
      ...common,
      biased: { input: biased, output: biased },
      scale: config.positiveOr('attention_multiplier', 1),
      mlp: defaultMlp(config, common.numbers, config.flagOr('mlp_bias', false)),
      change: (layer) => ({ ...layer, branchScale }),
    });
    const embeddingScale = config.positiveOr('embedding_multiplier', 1);
    return { ...description, embeddingScale, logitScale: 1 / config.positiveOr('logits_scaling', 1) };
  },
};
