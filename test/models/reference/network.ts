/** What a model's forward pass reads, and the pieces that most of them are made of. */
import { activation, layerNorm, linear, mapRows, multiplied, type Rows, rmsNorm, softmax } from './arithmetic.ts';
import { attend } from './attention.ts';
import { type Config, flag, number, text } from './config.ts';
import { type Rotation, rotated, rotation, scalingFor } from './rotation.ts';
import type { Tensors } from './tensors.ts';

export interface Network {
  readonly config: Config;
  readonly tensors: Tensors;
  /** What ropes that follow the context are fixed for. */
  readonly contextTokens: number;
}

export interface Sizes {
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export function sizesOf({ config }: Network): Sizes {
  const hidden = number(config, 'hidden_size');
  const heads = number(config, 'num_attention_heads');
  return {
    hidden,
    heads,
    kvHeads: number(config, 'num_key_value_heads', heads),
    headDim: number(config, 'head_dim', hidden / heads),
  };
}

/** A PyTorch Linear: weight [out, in], and a bias where the model has one. */
export function dense(
  { tensors }: Network,
  name: string,
  x: Rows,
  shape: { out: number; biased?: boolean; exact?: boolean },
): Rows {
  const bias = shape.biased ? tensors.get(`${name}.bias`, shape.out) : undefined;
  const stored = tensors.get(`${name}.weight`, shape.out, x[0]!.length);
  if (shape.exact) return linear(x, stored, bias);
  const { matrix, row } = tensors.rounding;
  return linear(x.map(row), matrix(stored, x[0]!.length), bias);
}

export function rms(net: Network, name: string, x: Rows, plus = 0): Rows {
  const weight = net.tensors.get(`${name}.weight`, x[0]!.length).map((w) => w + plus);
  return mapRows(x, (row) => rmsNorm(row, weight, number(net.config, 'rms_norm_eps')));
}

export function classicNorm(net: Network, name: string, x: Rows, epsilon: number): Rows {
  const [weight, bias] = ['weight', 'bias'].map((part) => net.tensors.get(`${name}.${part}`, x[0]!.length));
  return mapRows(x, (row) => layerNorm(row, weight!, bias!, epsilon));
}

/** Each head normalised for itself, with one weight for all. */
export function rmsOfHeads(net: Network, name: string, x: Rows, headDim: number, plus = 0): Rows {
  const weight = net.tensors.get(`${name}.weight`, headDim).map((w) => w + plus);
  return mapRows(x, (row) => {
    const out = new Float64Array(row.length);
    for (let from = 0; from < row.length; from += headDim)
      out.set(rmsNorm(row.slice(from, from + headDim), weight, number(net.config, 'rms_norm_eps')), from);
    return out;
  });
}

export function embed(net: Network, name: string, ids: readonly number[], width: number): Rows {
  const table = net.tensors.get(`${name}.weight`, number(net.config, 'vocab_size'), width);
  return ids.map((id) => table.slice(id * width, (id + 1) * width));
}

export function logitsOf(net: Network, x: Rows, names: { embedding: string; head: string; tied: boolean }): Rows {
  const isTied = flag(net.config, 'tie_word_embeddings', names.tied);
  return dense(net, isTied ? names.embedding : names.head, x, { out: number(net.config, 'vocab_size') });
}

export function gated(net: Network, at: string, x: Rows, names: readonly [string, string, string], act?: string): Rows {
  const out = number(net.config, 'intermediate_size');
  const biased = flag(net.config, 'mlp_bias', false);
  const function_ = activation(act ?? text(net.config, 'hidden_act', 'silu'));
  const gate = mapRows(dense(net, `${at}.${names[0]}`, x, { out, biased }), (row) => row.map(function_));
  const up = dense(net, `${at}.${names[1]}`, x, { out, biased });
  return dense(net, `${at}.${names[2]}`, multiplied(gate, up), { out: x[0]!.length, biased });
}

export function plain(net: Network, x: Rows, layer: { up: string; down: string; out: number; act: string }): Rows {
  const inner = mapRows(dense(net, layer.up, x, { out: layer.out, biased: true }), (row) =>
    row.map(activation(layer.act)),
  );
  return dense(net, layer.down, inner, { out: x[0]!.length, biased: true });
}

export function ropeOf(net: Network, given: { base: number; dim: number; kind?: string; scaled?: boolean }): Rotation {
  const { base, dim, kind = '', scaled = true } = given;
  const scaling = scaled ? scalingFor(net.config, kind) : undefined;
  const { config, contextTokens } = net;
  return rotation({ config, contextTokens, dim, scaling, base: scaling ? number(scaling, 'rope_theta', base) : base });
}

export interface SelfAttention {
  readonly biased?: boolean;
  readonly outputBiased?: boolean;
  readonly rope?: Rotation | undefined;
  readonly window?: number | undefined;
  readonly scale?: number;
  readonly cap?: number | undefined;
  readonly prepare?: (rows: Rows, which: 'q_norm' | 'k_norm') => Rows;
}

/** q_proj, k_proj, v_proj, o_proj under `at`. */
export function selfAttention(net: Network, at: string, x: Rows, options: SelfAttention): Rows {
  const { hidden, heads, kvHeads, headDim } = sizesOf(net);
  const { biased = false, outputBiased = false, rope, window, cap, prepare = (rows) => rows } = options;
  const project = (name: string, count: number) => dense(net, `${at}.${name}`, x, { out: count * headDim, biased });
  const turn = (rows: Rows) => (rope === undefined ? rows : rotated(rows, headDim, rope));
  const mixed = attend({
    queries: turn(prepare(project('q_proj', heads), 'q_norm')),
    keys: turn(prepare(project('k_proj', kvHeads), 'k_norm')),
    values: project('v_proj', kvHeads),
    headDim,
    scale: options.scale ?? 1 / Math.sqrt(headDim),
    window,
    cap,
  });
  return dense(net, `${at}.o_proj`, mixed, { out: hidden, biased: outputBiased });
}

/** The best experts of each row by softmax over all, their shares scaled to sum to 1. */
export function experts(net: Network, at: string, x: Rows): Rows {
  const count = number(net.config, 'num_local_experts');
  const router = dense(net, `${at}.gate`, x, { out: count, exact: true });
  return x.map((row, index) => {
    const shares = softmax(router[index]!);
    const order = [...shares.keys()].sort((left, right) => shares[right]! - shares[left]!);
    const chosen = order.slice(0, number(net.config, 'num_experts_per_tok'));
    const total = chosen.reduce((all, expert) => all + shares[expert]!, 0);
    const output = new Float64Array(row.length);
    for (const expert of chosen) {
      const [made] = gated(net, `${at}.experts.${expert}`, [row], ['w1', 'w3', 'w2']);
      for (const [at_, value] of made!.entries()) output[at_]! += (shares[expert]! / total) * value;
    }
    return output;
  });
}
