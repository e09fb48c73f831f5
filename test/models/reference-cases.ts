/**
 * Small random models for what no golden fixture has: `reference.test.ts` runs them against the float64 reference, docs/models.md lists
 * them. The fields are those of config.json.
 */
import type { Config } from './reference/config.ts';

export interface ReferenceCase {
  /** As in `architectures` of config.json. */
  readonly architecture: string;
  /** What the model is tested for beside its architecture. */
  readonly about: string;
  readonly config: Config;
  /** The engine's context setting; default: the model's. */
  readonly contextTokens?: number;
}

const sizes = {
  hidden_size: 32,
  intermediate_size: 56,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 128,
  vocab_size: 96,
};
const llama = { ...sizes, model_type: 'llama', rms_norm_eps: 1e-5, rope_theta: 500, tie_word_embeddings: false };
const gemma3 = {
  ...sizes,
  model_type: 'gemma3_text',
  num_hidden_layers: 4,
  head_dim: 12,
  rms_norm_eps: 1e-6,
  query_pre_attn_scalar: 10,
  hidden_activation: 'gelu_pytorch_tanh',
  sliding_window: 9,
  sliding_window_pattern: 2,
};
const neox = {
  ...sizes,
  num_key_value_heads: undefined,
  model_type: 'gpt_neox',
  layer_norm_eps: 1e-5,
  hidden_act: 'gelu',
  rotary_pct: 0.25,
  rotary_emb_base: 10_000,
  tie_word_embeddings: false,
};
const phi3 = {
  ...sizes,
  model_type: 'phi3',
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  partial_rotary_factor: 0.75,
  original_max_position_embeddings: 32,
  rope_scaling: { type: 'longrope', short_factor: [1, 1.1, 1.3], long_factor: [1.2, 2.5, 4] },
  tie_word_embeddings: true,
};
const smollm3 = { ...sizes, model_type: 'smollm3', num_hidden_layers: 5, rms_norm_eps: 1e-6, rope_theta: 5_000 };

const windows = ['sliding_attention', 'full_attention', 'sliding_attention'];

export const referenceCases: readonly ReferenceCase[] = [
  { architecture: 'GPTNeoXForCausalLM', about: 'parallel branches, a quarter of each head rotated', config: neox },
  {
    architecture: 'GPTNeoXForCausalLM',
    about: 'branches in turn, rope_parameters',
    config: {
      ...neox,
      use_parallel_residual: false,
      rotary_pct: 0.5,
      rope_parameters: { rope_type: 'default', rope_theta: 300, partial_rotary_factor: 0.5 },
    },
  },
  {
    architecture: 'Gemma3ForCausalLM',
    about: 'two bases, linear scaling of one of them',
    config: {
      ...gemma3,
      rope_theta: 50_000,
      rope_local_base_freq: 100,
      rope_scaling: { rope_type: 'linear', factor: 8 },
    },
  },
  {
    architecture: 'Gemma3ForCausalLM',
    about: 'layer_types, rope_parameters for each type, one KV head',
    config: {
      ...gemma3,
      num_key_value_heads: 1,
      layer_types: ['full_attention', 'sliding_attention', 'sliding_attention', 'full_attention'],
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 4, rope_theta: 50_000 },
        sliding_attention: { rope_type: 'default', rope_theta: 100 },
      },
    },
  },
  {
    architecture: 'Olmo2ForCausalLM',
    about: 'norms behind the branches and over whole projections',
    config: { ...llama, model_type: 'olmo2' },
  },
  {
    architecture: 'GraniteForCausalLM',
    about: 'four multipliers',
    config: {
      ...llama,
      model_type: 'granite',
      embedding_multiplier: 3,
      attention_multiplier: 0.2,
      residual_multiplier: 0.4,
      logits_scaling: 2.5,
    },
  },
  {
    architecture: 'Starcoder2ForCausalLM',
    about: 'classic norms, biases, window',
    config: { ...sizes, model_type: 'starcoder2', norm_epsilon: 1e-5, rope_theta: 500, sliding_window: 11 },
  },
  { architecture: 'SmolLM3ForCausalLM', about: 'every fourth layer without rope', config: smollm3 },
  {
    architecture: 'SmolLM3ForCausalLM',
    about: 'no_rope_layers spelled out',
    config: { ...smollm3, no_rope_layers: [1, 0, 1, 0, 0], tie_word_embeddings: false },
  },
  {
    architecture: 'Phi3ForCausalLM',
    about: 'longrope, long factors, three quarters of each head rotated',
    config: phi3,
  },
  { architecture: 'Phi3ForCausalLM', about: 'longrope, short factors', config: phi3, contextTokens: 32 },
  {
    architecture: 'LlamaForCausalLM',
    about: 'linear rope, a KV head for each head',
    config: { ...llama, num_key_value_heads: 4, rope_scaling: { type: 'linear', factor: 2.5 } },
  },
  {
    architecture: 'LlamaForCausalLM',
    about: 'dynamic rope beyond the trained context, one KV head',
    config: { ...llama, num_key_value_heads: 1, rope_scaling: { type: 'dynamic', factor: 4 } },
    contextTokens: 400,
  },
  {
    architecture: 'LlamaForCausalLM',
    about: 'yarn rope',
    config: {
      ...llama,
      rope_theta: 10_000,
      rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 },
    },
  },
  {
    architecture: 'LlamaForCausalLM',
    about: 'yarn rope with its own bounds and scales',
    config: {
      ...llama,
      rope_parameters: {
        rope_type: 'yarn',
        rope_theta: 2_000,
        factor: 3,
        original_max_position_embeddings: 40,
        beta_fast: 8,
        beta_slow: 2,
        mscale: 1.2,
        mscale_all_dim: 0.7,
        truncate: false,
      },
    },
  },
  {
    architecture: 'LlamaForCausalLM',
    about: 'rope of Llama 3',
    config: {
      ...llama,
      rope_theta: 10_000,
      rope_scaling: {
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 32,
      },
    },
  },
  {
    architecture: 'MistralForCausalLM',
    about: 'layer_types of a window, head size of its own',
    config: { ...llama, model_type: 'mistral', head_dim: 12, sliding_window: 10, layer_types: windows },
  },
  {
    architecture: 'Qwen2ForCausalLM',
    about: 'windows from max_window_layers on',
    config: { ...llama, model_type: 'qwen2', use_sliding_window: true, sliding_window: 7, max_window_layers: 1 },
  },
  {
    architecture: 'GPT2LMHeadModel',
    about: 'names with a prefix, scores scaled by depth, GELU by erf',
    config: {
      model_type: 'gpt2',
      n_embd: 36,
      n_head: 3,
      n_layer: 3,
      n_positions: 128,
      n_inner: 50,
      vocab_size: 96,
      activation_function: 'gelu',
      scale_attn_by_inverse_layer_idx: true,
    },
  },
];
