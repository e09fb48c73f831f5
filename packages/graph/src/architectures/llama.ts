/** LlamaForCausalLM: names of tensors, shapes, and fields of config.json (transformers' LlamaConfig and its defaults). */
import type {
  DecoderDescription,
  LayerDescription,
  LinearDescription,
  NormDescription,
} from '../blocks/description.ts';
import type { ConfigReader } from '../config/config-reader.ts';
import { readRope } from '../config/rope.ts';
import { GraphError } from '../errors.ts';
import type { Architecture } from './architecture.ts';

/** Far above every published model; a config beyond them is taken for a lie before anything is built from it. */
const most = {
  layers: 1024,
  heads: 1024,
  headDim: 4096,
  hidden: 1 << 17,
  intermediate: 1 << 20,
  vocabulary: 1 << 23,
  context: 1 << 30,
};

export const llama: Architecture = {
  name: 'LlamaForCausalLM',
  modelType: 'llama',
  describe(config: ConfigReader): DecoderDescription {
    const hidden = config.count('hidden_size', { most: most.hidden });
    const { heads, kvHeads, headDim } = readHeads(config, hidden);
    const vocabulary = config.count('vocab_size', { most: most.vocabulary });
    const intermediate = config.count('intermediate_size', { most: most.intermediate });
    const epsilon = config.positiveOr('rms_norm_eps', 1e-6);
    const attentionBias = config.flagOr('attention_bias', false);
    const mlpBias = config.flagOr('mlp_bias', false);
    const activation = readActivation(config);
    const norm = (tensor: string): NormDescription => ({ tensor, hidden, epsilon });
    const layers = config.count('num_hidden_layers', { most: most.layers });
    const describeLayer = (_: unknown, layer: number): LayerDescription => {
      const self = (name: string, out: number, into: number) =>
        linear(`model.layers.${layer}.self_attn.${name}`, [out, into], attentionBias);
      const mlp = (name: string, out: number, into: number) =>
        linear(`model.layers.${layer}.mlp.${name}`, [out, into], mlpBias);
      return {
        attentionNorm: norm(`model.layers.${layer}.input_layernorm.weight`),
        attention: {
          query: self('q_proj', heads * headDim, hidden),
          key: self('k_proj', kvHeads * headDim, hidden),
          value: self('v_proj', kvHeads * headDim, hidden),
          output: self('o_proj', hidden, heads * headDim),
        },
        mlpNorm: norm(`model.layers.${layer}.post_attention_layernorm.weight`),
        mlp: {
          gate: mlp('gate_proj', intermediate, hidden),
          up: mlp('up_proj', intermediate, hidden),
          down: mlp('down_proj', hidden, intermediate),
          activation,
        },
      };
    };
    const embedding: LinearDescription = { tensor: 'model.embed_tokens.weight', out: vocabulary, in: hidden };
    const contextTokens = config.countOr('max_position_embeddings', 2048, { most: most.context });
    return {
      shape: { architecture: llama.name, layers, heads, kvHeads, headDim, hidden, vocabulary, contextTokens },
      embedding,
      rope: readRope(config, headDim),
      attentionScale: headDim ** -0.5,
      layers: Array.from({ length: layers }, describeLayer),
      finalNorm: norm('model.norm.weight'),
      head: config.flagOr('tie_word_embeddings', false) ? embedding : { ...embedding, tensor: 'lm_head.weight' },
    };
  },
};

function linear(name: string, [out, into]: [number, number], biased: boolean): LinearDescription {
  const description = { tensor: `${name}.weight`, out, in: into };
  return biased ? { ...description, bias: `${name}.bias` } : description;
}

function readHeads(config: ConfigReader, hidden: number): { heads: number; kvHeads: number; headDim: number } {
  const heads = config.count('num_attention_heads', { most: most.heads });
  const kvHeads = config.countOr('num_key_value_heads', heads, { most: most.heads });
  if (heads % kvHeads !== 0) {
    throw config.fault(`num_attention_heads (${heads}) is not a multiple of num_key_value_heads (${kvHeads})`);
  }
  if (!config.has('head_dim') && hidden % heads !== 0) {
    throw config.fault(
      `hidden_size (${hidden}) is not a multiple of num_attention_heads (${heads}), and head_dim is missing`,
    );
  }
  const headDim = config.countOr('head_dim', hidden / heads, { least: 2, most: most.headDim });
  if (headDim % 2 !== 0) throw config.fault(`head_dim is ${headDim}, but a rotary embedding needs an even one`);
  return { heads, kvHeads, headDim };
}

function readActivation(config: ConfigReader): 'silu' {
  const activation = config.textOr('hidden_act', 'silu');
  // 'swish' is the same function under its other name.
  if (activation === 'silu' || activation === 'swish') return 'silu';
  const message = `${config.file} asks for hidden_act ${JSON.stringify(activation)}: use a model with silu`;
  throw new GraphError('ACTIVATION_UNSUPPORTED', message, { file: config.file });
}
