/** Writes a Llama-shaped model folder with seeded random weights: real cost, no meaning. No tokenizer: it is driven with ids. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TensorPlan, writeTensors } from './random-tensors.ts';

export interface LlamaShape {
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly intermediate: number;
  readonly vocabulary: number;
  readonly contextTokens: number;
}

/**
 * Creates `folder` with config.json and model.safetensors (F32, tied head). Same shape and seed, same bytes. 135 million parameters: 540 MB,
 * about 2 s.
 */
export async function makeRandomLlama(folder: string, shape: LlamaShape, seed: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(configOf(shape), undefined, 2)}\n`);
  await writeTensors(join(folder, 'model.safetensors'), planTensors(shape), seed);
}

function configOf(shape: LlamaShape): object {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_act: 'silu',
    hidden_size: shape.hidden,
    intermediate_size: shape.intermediate,
    max_position_embeddings: shape.contextTokens,
    num_attention_heads: shape.heads,
    num_hidden_layers: shape.layers,
    num_key_value_heads: shape.kvHeads,
    rms_norm_eps: 1e-5,
    rope_theta: 100_000,
    tie_word_embeddings: true,
    torch_dtype: 'float32',
    vocab_size: shape.vocabulary,
  };
}

function planTensors(shape: LlamaShape): TensorPlan[] {
  const { hidden, intermediate } = shape;
  const kvWidth = (hidden / shape.heads) * shape.kvHeads;
  const norm = (name: string): TensorPlan => ({ name, shape: [hidden], deviation: 0 });
  const matrix = (name: string, out: number, into: number): TensorPlan => ({
    name,
    shape: [out, into],
    deviation: into ** -0.5,
  });
  const layers = Array.from({ length: shape.layers }, (_, layer) => {
    const at = `model.layers.${layer}`;
    return [
      norm(`${at}.input_layernorm.weight`),
      matrix(`${at}.self_attn.q_proj.weight`, hidden, hidden),
      matrix(`${at}.self_attn.k_proj.weight`, kvWidth, hidden),
      matrix(`${at}.self_attn.v_proj.weight`, kvWidth, hidden),
      matrix(`${at}.self_attn.o_proj.weight`, hidden, hidden),
      norm(`${at}.post_attention_layernorm.weight`),
      matrix(`${at}.mlp.gate_proj.weight`, intermediate, hidden),
      matrix(`${at}.mlp.up_proj.weight`, intermediate, hidden),
      matrix(`${at}.mlp.down_proj.weight`, hidden, intermediate),
    ];
  });
  const embedding = matrix('model.embed_tokens.weight', shape.vocabulary, hidden);
  return [embedding, ...layers.flat(), norm('model.norm.weight')];
}
