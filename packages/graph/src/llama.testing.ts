/** A Llama in plain float64 loops over a whole sequence, written from the model's definition and not from the compiler. Used by tests. */
import type { TestModel } from './model-folder.testing.ts';

interface Rope {
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

/** Logits of every position. */
export function referenceLogits(model: TestModel, ids: readonly number[]): number[][] {
  const config = model.config as Record<string, number> & { rope_scaling?: Rope | null };
  const hidden = config.hidden_size as number;
  const epsilon = config.rms_norm_eps as number;
  const matrix = (name: string) => model.tensors.get(name)?.floats as Float32Array;
  const linear = (name: string, rows: number[][]) =>
    rows.map((row) => project(row, matrix(`${name}.weight`), matrix(`${name}.bias`)));
  const norm = (name: string, rows: number[][]) => rows.map((row) => rmsNorm(row, matrix(name), epsilon));
  const embedding = matrix('model.embed_tokens.weight');
  let states = ids.map((id) => [...embedding.subarray(id * hidden, (id + 1) * hidden)]);
  for (let layer = 0; layer < (config.num_hidden_layers as number); layer += 1) {
    const at = `model.layers.${layer}`;
    const normed = norm(`${at}.input_layernorm.weight`, states);
    const [q, k, v] = ['q_proj', 'k_proj', 'v_proj'].map((name) => linear(`${at}.self_attn.${name}`, normed)) as [
      number[][],
      number[][],
      number[][],
    ];
    states = sum(states, linear(`${at}.self_attn.o_proj`, attention(config, { q, k, v })));
    const inner = norm(`${at}.post_attention_layernorm.weight`, states);
    const gate = linear(`${at}.mlp.gate_proj`, inner);
    const up = linear(`${at}.mlp.up_proj`, inner);
    const mixed = gate.map((row, index) =>
      row.map((x, column) => (x / (1 + Math.exp(-x))) * ((up[index] as number[])[column] as number)),
    );
    states = sum(states, linear(`${at}.mlp.down_proj`, mixed));
  }
  const head = config.tie_word_embeddings ? embedding : matrix('lm_head.weight');
  return norm('model.norm.weight', states).map((row) => project(row, head));
}

function project(x: readonly number[], weights: Float32Array, bias?: Float32Array): number[] {
  return Array.from({ length: weights.length / x.length }, (_, out) => {
    let total = bias?.[out] ?? 0;
    for (let column = 0; column < x.length; column += 1)
      total += (x[column] as number) * (weights[out * x.length + column] as number);
    return total;
  });
}

function rmsNorm(x: readonly number[], weights: Float32Array, epsilon: number): number[] {
  const mean = x.reduce((total, element) => total + element * element, 0) / x.length;
  return x.map((element, index) => (element / Math.sqrt(mean + epsilon)) * (weights[index] as number));
}

function sum(left: number[][], right: number[][]): number[][] {
  return left.map((row, index) => row.map((x, column) => x + ((right[index] as number[])[column] as number)));
}

function attention(
  config: Record<string, number> & { rope_scaling?: Rope | null },
  rows: { q: number[][]; k: number[][]; v: number[][] },
): number[][] {
  const heads = config.num_attention_heads as number;
  const kvHeads = config.num_key_value_heads ?? heads;
  const headDim = config.head_dim ?? (config.hidden_size as number) / heads;
  const q = rows.q.map((row, position) => rotateHeads(row, { position, headDim, config }));
  const k = rows.k.map((row, position) => rotateHeads(row, { position, headDim, config }));
  return q.map((row, position) => {
    const output: number[] = [];
    for (let head = 0; head < heads; head += 1) {
      const kvHead = Math.floor(head / (heads / kvHeads));
      const part = (x: number[], index: number) => x.slice(index * headDim, (index + 1) * headDim);
      const scores = k
        .slice(0, position + 1)
        .map((key) => dot(part(row, head), part(key, kvHead)) / Math.sqrt(headDim));
      const peak = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - peak));
      const total = weights.reduce((all, weight) => all + weight, 0);
      for (let at = 0; at < headDim; at += 1) {
        output.push(
          weights.reduce(
            (all, weight, token) =>
              all + (weight / total) * ((rows.v[token] as number[])[kvHead * headDim + at] as number),
            0,
          ),
        );
      }
    }
    return output;
  });
}

function dot(left: readonly number[], right: readonly number[]): number {
  return left.reduce((total, x, index) => total + x * (right[index] as number), 0);
}

/** Each head's first half is rotated against its second. */
function rotateHeads(
  row: readonly number[],
  by: { position: number; headDim: number; config: Record<string, number> & { rope_scaling?: Rope | null } },
): number[] {
  const { position, headDim, config } = by;
  const half = headDim / 2;
  return row.map((x, index) => {
    const at = index % headDim;
    const angle = position * frequencyOf(at % half, headDim, config);
    const other = at < half ? -(row[index + half] as number) : (row[index - half] as number);
    return x * Math.cos(angle) + other * Math.sin(angle);
  });
}

function frequencyOf(
  pair: number,
  headDim: number,
  config: Record<string, number> & { rope_scaling?: Rope | null },
): number {
  const frequency = 1 / (config.rope_theta as number) ** ((2 * pair) / headDim);
  const scaling = config.rope_scaling;
  if (!scaling) return frequency;
  const wavelength = (2 * Math.PI) / frequency;
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original } = scaling;
  if (wavelength > original / low) return frequency / factor;
  if (wavelength < original / high) return frequency;
  const smooth = (original / wavelength - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}
