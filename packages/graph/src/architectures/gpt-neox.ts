/**
 * GPT-NeoX and Pythia (transformers: GPTNeoXConfig, modeling_gpt_neox): classic norms, one matrix whose rows are query, key and value of
 * each head in turn, a rotation of the first rotary_pct of each head, and both branches from the same residual.
 *
 *     x += dense(attention(layernorm(x))) + 4h_to_h(gelu(h_to_4h(layernorm2(x))));  logits = embed_out(layernorm(x))
 *
 * Without use_parallel_residual the MLP reads the sum that attention left, as elsewhere.
 */
import type { LayerDescription } from '../blocks/description.ts';
import { readActivation } from '../config/activation.ts';
import { readNumbers, shapeOf } from '../config/decoder-numbers.ts';
import { readRope, ropeContext } from '../config/rope.ts';
import type { Architecture } from './architecture.ts';
import { eachLayer, headOf, layerNorm, linear, readIntermediate, table } from './parts.ts';

export const gptNeox: Architecture = {
  name: 'GPTNeoXForCausalLM',
  modelType: 'gpt_neox',
  describe(config) {
    const numbers = readNumbers(config, { contextTokens: 2048 });
    const { hidden, heads, headDim, layers } = numbers;
    if (numbers.kvHeads !== heads)
      throw config.fault('num_key_value_heads is set, but GPT-NeoX has a KV head for each head');
    const epsilon = config.positiveOr('layer_norm_eps', 1e-5);
    const intermediate = readIntermediate(config);
    const activation = readActivation(config, 'hidden_act', 'gelu');
    const rope = readRope(config, numbers, { theta: 'rotary_emb_base', partial: 'rotary_pct', defaultPartial: 0.25 });
    const biased = config.flagOr('attention_bias', true);
    const parallel = config.flagOr('use_parallel_residual', true);
    const norm = (name: string) => layerNorm({ name, hidden, epsilon });
    const describeLayer = (layer: number): LayerDescription => {
      const at = `gpt_neox.layers.${layer}`;
      const fused = linear({ name: `${at}.attention.query_key_value`, out: 3 * heads * headDim, in: hidden, biased });
      return {
        attentionNorm: norm(`${at}.input_layernorm`),
        attention: {
          input: { kind: 'fused', linear: fused, rows: 'by-head' },
          output: linear({ name: `${at}.attention.dense`, out: hidden, in: heads * headDim, biased }),
          rope,
          scale: headDim ** -0.5,
        },
        mlpNorm: norm(`${at}.post_attention_layernorm`),
        mlp: {
          kind: 'plain',
          activation,
          up: linear({ name: `${at}.mlp.dense_h_to_4h`, out: intermediate, in: hidden, biased: true }),
          down: linear({ name: `${at}.mlp.dense_4h_to_h`, out: hidden, in: intermediate, biased: true }),
        },
        parallel,
      };
    };
    const embedding = table('gpt_neox.embed_in', numbers.vocabulary, hidden);
    return {
      shape: shapeOf(gptNeox.name, { ...numbers, contextTokens: ropeContext(config, numbers.contextTokens) }),
      embedding,
      layers: eachLayer(layers, describeLayer),
      finalNorm: norm('gpt_neox.final_layer_norm'),
      head: headOf(config, embedding, { tied: false, name: 'embed_out' }),
      optionalPrefix: 'gpt_neox.',
    };
  },
};
