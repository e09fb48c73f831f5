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
  layers: 1 << 10,
  heads: 1 << 10,
  headDim: 1 << 12,
  hidden: 1 << 17,
  intermediate: 1 << 20,
  vocabulary: 1 << 23,
  context: 1 << 30,
};

/** The numbers that the shapes of a layer's tensors follow from. */
interface LlamaNumbers {
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly intermediate: number;
  readonly epsilon: number;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
}

export const llama: Architecture = {
  name: 'LlamaForCausalLM',
  modelType: 'llama',
  describe(config: ConfigReader): DecoderDescription {
    refuseActivation(config);
    const numbers = readNumbers(config);
    const { hidden, heads, kvHeads, headDim, epsilon } = numbers;
    const layers = config.count('num_hidden_layers', { most: most.layers });
    const vocabulary = config.count('vocab_size', { most: most.vocabulary });
    const contextTokens = config.countOr('max_position_embeddings', 2048, { most: most.context });
    const embedding: LinearDescription = { tensor: 'model.embed_tokens.weight', out: vocabulary, in: hidden };
    return {
      shape: {
        architecture: llama.name,
        layers,
        heads,
        kvHeads,
        headDim,
        hidden,
        vocabulary,
        contextTokens,
        windows: [],
        hasFullLayers: true,
      },
      embedding,
      rope: readRope(config, headDim),
      attentionScale: headDim ** -0.5,
      layers: Array.from({ length: layers }, (_, layer) => describeLayer(`model.layers.${layer}`, numbers)),
      finalNorm: { tensor: 'model.norm.weight', hidden, epsilon },
      head: config.flagOr('tie_word_embeddings', false) ? embedding : { ...embedding, tensor: 'lm_head.weight' },
    };
  },
};

function describeLayer(at: string, numbers: LlamaNumbers): LayerDescription {
  const { hidden, heads, kvHeads, headDim, intermediate, epsilon, attentionBias, mlpBias } = numbers;
  const norm = (name: string): NormDescription => ({ tensor: `${at}.${name}.weight`, hidden, epsilon });
  const attention = (name: string, out: number, into: number) =>
    linear({ name: `${at}.self_attn.${name}`, out, in: into, biased: attentionBias });
  const mlp = (name: string, out: number, into: number) =>
    linear({ name: `${at}.mlp.${name}`, out, in: into, biased: mlpBias });
  return {
    attentionNorm: norm('input_layernorm'),
    attention: {
      query: attention('q_proj', heads * headDim, hidden),
      key: attention('k_proj', kvHeads * headDim, hidden),
      value: attention('v_proj', kvHeads * headDim, hidden),
      output: attention('o_proj', hidden, heads * headDim),
    },
    mlpNorm: norm('post_attention_layernorm'),
    mlp: {
      gate: mlp('gate_proj', intermediate, hidden),
      up: mlp('up_proj', intermediate, hidden),
      down: mlp('down_proj', hidden, intermediate),
      activation: 'silu',
    },
  };
}

function linear(of: { name: string; out: number; in: number; biased: boolean }): LinearDescription {
  const description = { tensor: `${of.name}.weight`, out: of.out, in: of.in };
  return of.biased ? { ...description, bias: `${of.name}.bias` } : description;
}

function readNumbers(config: ConfigReader): LlamaNumbers {
  const hidden = config.count('hidden_size', { most: most.hidden });
  return {
    hidden,
    ...readHeads(config, hidden),
    intermediate: config.count('intermediate_size', { most: most.intermediate }),
    epsilon: config.positiveOr('rms_norm_eps', 1e-6),
    attentionBias: config.flagOr('attention_bias', false),
    mlpBias: config.flagOr('mlp_bias', false),
  };
}

function readHeads(config: ConfigReader, hidden: number): Pick<LlamaNumbers, 'heads' | 'kvHeads' | 'headDim'> {
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

function refuseActivation(config: ConfigReader): void {
  const activation = config.textOr('hidden_act', 'silu');
  // 'swish' is the same function under its other name.
  if (activation === 'silu' || activation === 'swish') return;
  const message = `${config.file} asks for hidden_act ${JSON.stringify(activation)}: use a model with silu`;
  throw new GraphError('ACTIVATION_UNSUPPORTED', message, { file: config.file });
}
