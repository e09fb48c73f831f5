/** Writes a GPT-Neo-shaped model folder with seeded random weights. No tokenizer: it is driven with ids. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TensorPlan, writeTensors } from './random-tensors.ts';

export interface GptNeoShape {
  readonly hidden: number;
  /** Even: layers see the whole past and a window by turns. */
  readonly layers: number;
  readonly heads: number;
  readonly vocabulary: number;
  readonly contextTokens: number;
  readonly window: number;
}

/** Creates `folder` with config.json and model.safetensors (F32, tied head). 1.3 billion parameters: 5.3 GB, some 15 s. */
export async function makeRandomGptNeo(folder: string, shape: GptNeoShape, seed: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(configOf(shape), undefined, 2)}\n`);
  await writeTensors(join(folder, 'model.safetensors'), planTensors(shape), seed);
}

function configOf(shape: GptNeoShape): object {
  return {
    architectures: ['GPTNeoForCausalLM'],
    model_type: 'gpt_neo',
    activation_function: 'gelu_new',
    attention_types: [[['global', 'local'], shape.layers / 2]],
    hidden_size: shape.hidden,
    intermediate_size: null,
    layer_norm_epsilon: 1e-5,
    max_position_embeddings: shape.contextTokens,
    num_heads: shape.heads,
    num_layers: shape.layers,
    tie_word_embeddings: true,
    torch_dtype: 'float32',
    vocab_size: shape.vocabulary,
    window_size: shape.window,
  };
}

function planTensors({ hidden, layers, vocabulary, contextTokens }: GptNeoShape): TensorPlan[] {
  const matrix = (name: string, out: number, into: number): TensorPlan => ({
    name: `${name}.weight`,
    shape: [out, into],
    deviation: into ** -0.5,
  });
  const bias = (name: string, out: number): TensorPlan => ({ name: `${name}.bias`, shape: [out], deviation: 0.01 });
  const norm = (name: string): TensorPlan[] => [
    { name: `${name}.weight`, shape: [hidden], deviation: 0 },
    bias(name, hidden),
  ];
  const blocks = Array.from({ length: layers }, (_, layer) => {
    const at = `transformer.h.${layer}`;
    return [
      ...norm(`${at}.ln_1`),
      ...['q_proj', 'k_proj', 'v_proj', 'out_proj'].map((name) =>
        matrix(`${at}.attn.attention.${name}`, hidden, hidden),
      ),
      bias(`${at}.attn.attention.out_proj`, hidden),
      ...norm(`${at}.ln_2`),
      matrix(`${at}.mlp.c_fc`, 4 * hidden, hidden),
      bias(`${at}.mlp.c_fc`, 4 * hidden),
      matrix(`${at}.mlp.c_proj`, hidden, 4 * hidden),
      bias(`${at}.mlp.c_proj`, hidden),
    ];
  });
  return [
    matrix('transformer.wte', vocabulary, hidden),
    matrix('transformer.wpe', contextTokens, hidden),
    ...blocks.flat(),
    ...norm('transformer.ln_f'),
  ];
}
