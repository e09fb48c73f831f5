/**
 * GPT-2 (transformers: GPT2Config, modeling_gpt2): learned positions, classic norms, matrices stored as [in, out] (Conv1D), queries, keys
 * and values from one of them. The hub's own `gpt2` leaves `transformer.` out of the names.
 *
 *     x = wte + wpe;  x += c_proj(attention(layernorm(x)));  x += c_proj(gelu(c_fc(layernorm(x))));  logits = wte(layernorm(x))
 */
import type { LayerDescription } from '../blocks/description.ts';
import { readActivation } from '../config/activation.ts';
import { readNumbers, shapeOf } from '../config/decoder-numbers.ts';
import { most } from '../config/limits.ts';
import type { Architecture } from './architecture.ts';
import { eachLayer, headOf, layerNorm, linear, table } from './parts.ts';

const fields = { layers: 'n_layer', hidden: 'n_embd', heads: 'n_head', contextTokens: 'n_positions' };

export const gpt2: Architecture = {
  name: 'GPT2LMHeadModel',
  modelType: 'gpt2',
  describe(config) {
    const numbers = readNumbers(config, { contextTokens: 1024 }, fields);
    const { hidden, heads, headDim, layers } = numbers;
    if (numbers.kvHeads !== heads)
      throw config.fault('num_key_value_heads is set, but GPT-2 has a KV head for each head');
    if (heads * headDim !== hidden)
      throw config.fault(`n_head (${heads}) times head_dim (${headDim}) is not n_embd (${hidden})`);
    const epsilon = config.positiveOr('layer_norm_epsilon', 1e-5);
    const intermediate = config.countOr('n_inner', 4 * hidden, { most: most.intermediate });
    const activation = readActivation(config, 'activation_function', 'gelu_new');
    const scale = config.flagOr('scale_attn_weights', true) ? headDim ** -0.5 : 1;
    const byDepth = config.flagOr('scale_attn_by_inverse_layer_idx', false);
    const norm = (name: string) => layerNorm({ name, hidden, epsilon });
    const conv = (name: string, out: number, into: number) =>
      linear({ name, out, in: into, biased: true, stored: 'in-out' });
    const describeLayer = (layer: number): LayerDescription => {
      const at = `transformer.h.${layer}`;
      return {
        attentionNorm: norm(`${at}.ln_1`),
        attention: {
          input: { kind: 'fused', linear: conv(`${at}.attn.c_attn`, 3 * hidden, hidden), rows: 'by-kind' },
          output: conv(`${at}.attn.c_proj`, hidden, hidden),
          scale: byDepth ? scale / (layer + 1) : scale,
        },
        mlpNorm: norm(`${at}.ln_2`),
        mlp: {
          kind: 'plain',
          activation,
          up: conv(`${at}.mlp.c_fc`, intermediate, hidden),
          down: conv(`${at}.mlp.c_proj`, hidden, intermediate),
        },
      };
    };
    const embedding = table('transformer.wte', numbers.vocabulary, hidden);
    return {
      shape: shapeOf(gpt2.name, numbers),
      embedding,
      positions: table('transformer.wpe', numbers.contextTokens, hidden),
      layers: eachLayer(layers, describeLayer),
      finalNorm: norm('transformer.ln_f'),
      head: headOf(config, embedding, { tied: true, name: 'lm_head' }),
      optionalPrefix: 'transformer.',
    };
  },
};
