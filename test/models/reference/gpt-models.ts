/** GPT-2, GPT-Neo and GPT-NeoX: classic norms, an MLP without a gate. */
import { activation, columns, linear, mapRows, type Rows, sum, transposed } from './arithmetic.ts';
import { attend } from './attention.ts';
import { flag, number, text } from './config.ts';
import { classicNorm, dense, embed, logitsOf, type Network, plain, ropeOf } from './network.ts';
import { rotated } from './rotation.ts';

/** Token and position rows. */
function embedBoth(
  net: Network,
  at: string,
  ids: readonly number[],
  sizes: { hidden: number; positions: number },
): Rows {
  const table = net.tensors.get(`${at}wpe.weight`, sizes.positions, sizes.hidden);
  const rows = embed(net, `${at}wte`, ids, sizes.hidden);
  return rows.map((row, position) => row.map((x, d) => x + table[position * sizes.hidden + d]!));
}

/** Transformers' Conv1D: weight [in, out]. */
function conv(net: Network, name: string, x: Rows, out: number): Rows {
  const matrix = net.tensors.get(`${name}.weight`, x[0]!.length, out);
  const { rounding } = net.tensors;
  const outByIn = rounding.matrix(transposed(matrix, x[0]!.length, out), x[0]!.length);
  return linear(x.map(rounding.row), outByIn, net.tensors.get(`${name}.bias`, out));
}

export function gpt2(net: Network, ids: readonly number[]): Rows {
  const { config, tensors } = net;
  const [hidden, heads] = [number(config, 'n_embd'), number(config, 'n_head')];
  const [headDim, positions] = [hidden / heads, number(config, 'n_positions')];
  const epsilon = number(config, 'layer_norm_epsilon', 1e-5);
  const act = activation(text(config, 'activation_function', 'gelu_new'));
  const prefix = tensors.has('wte.weight') ? '' : 'transformer.';
  let x = embedBoth(net, prefix, ids, { hidden, positions });
  for (let layer = 0; layer < number(config, 'n_layer'); layer += 1) {
    const at = `${prefix}h.${layer}`;
    const fused = conv(net, `${at}.attn.c_attn`, classicNorm(net, `${at}.ln_1`, x, epsilon), 3 * hidden);
    const depth = flag(config, 'scale_attn_by_inverse_layer_idx', false) ? layer + 1 : 1;
    const mixed = attend({
      queries: columns(fused, 0, hidden),
      keys: columns(fused, hidden, 2 * hidden),
      values: columns(fused, 2 * hidden, 3 * hidden),
      headDim,
      scale: 1 / Math.sqrt(headDim) / depth,
    });
    x = sum(x, conv(net, `${at}.attn.c_proj`, mixed, hidden));
    const inner = conv(
      net,
      `${at}.mlp.c_fc`,
      classicNorm(net, `${at}.ln_2`, x, epsilon),
      number(config, 'n_inner', 4 * hidden),
    );
    x = sum(
      x,
      conv(
        net,
        `${at}.mlp.c_proj`,
        mapRows(inner, (row) => row.map(act)),
        hidden,
      ),
    );
  }
  const names = { embedding: `${prefix}wte`, head: 'lm_head', tied: true };
  return logitsOf(net, classicNorm(net, `${prefix}ln_f`, x, epsilon), names);
}

export function gptNeo(net: Network, ids: readonly number[]): Rows {
  const { config } = net;
  const [hidden, heads] = [number(config, 'hidden_size'), number(config, 'num_heads')];
  const epsilon = number(config, 'layer_norm_epsilon', 1e-5);
  const kinds = config.attention_layers as readonly string[];
  const out = number(config, 'intermediate_size', 4 * hidden);
  const act = text(config, 'activation_function', 'gelu_new');
  let x = embedBoth(net, 'transformer.', ids, { hidden, positions: number(config, 'max_position_embeddings') });
  for (let layer = 0; layer < number(config, 'num_layers'); layer += 1) {
    const at = `transformer.h.${layer}`;
    const normed = classicNorm(net, `${at}.ln_1`, x, epsilon);
    const [queries, keys, values] = ['q', 'k', 'v'].map((name) =>
      dense(net, `${at}.attn.attention.${name}_proj`, normed, { out: hidden }),
    ) as [Rows, Rows, Rows];
    const window = kinds[layer] === 'local' ? number(config, 'window_size') : undefined;
    const mixed = attend({ queries, keys, values, headDim: hidden / heads, scale: 1, window });
    x = sum(x, dense(net, `${at}.attn.attention.out_proj`, mixed, { out: hidden, biased: true }));
    const inner = classicNorm(net, `${at}.ln_2`, x, epsilon);
    x = sum(x, plain(net, inner, { up: `${at}.mlp.c_fc`, down: `${at}.mlp.c_proj`, out, act }));
  }
  const names = { embedding: 'transformer.wte', head: 'lm_head', tied: true };
  return logitsOf(net, classicNorm(net, 'transformer.ln_f', x, epsilon), names);
}

/** Query, key and value of a head follow each other in the fused matrix. */
export function gptNeox(net: Network, ids: readonly number[]): Rows {
  const { config } = net;
  const [hidden, heads] = [number(config, 'hidden_size'), number(config, 'num_attention_heads')];
  const headDim = hidden / heads;
  const epsilon = number(config, 'layer_norm_eps', 1e-5);
  const biased = flag(config, 'attention_bias', true);
  const base = number(config, 'rotary_emb_base', number(config, 'rope_theta', 10_000));
  const rope = ropeOf(net, { base, dim: Math.trunc(headDim * number(config, 'rotary_pct', 0.25)) });
  const mlp = (at: string, rows: Rows) =>
    plain(net, classicNorm(net, `${at}.post_attention_layernorm`, rows, epsilon), {
      up: `${at}.mlp.dense_h_to_4h`,
      down: `${at}.mlp.dense_4h_to_h`,
      out: number(config, 'intermediate_size'),
      act: text(config, 'hidden_act', 'gelu'),
    });
  let x = embed(net, 'gpt_neox.embed_in', ids, hidden);
  for (let layer = 0; layer < number(config, 'num_hidden_layers'); layer += 1) {
    const at = `gpt_neox.layers.${layer}`;
    const normed = classicNorm(net, `${at}.input_layernorm`, x, epsilon);
    const fused = dense(net, `${at}.attention.query_key_value`, normed, { out: 3 * hidden, biased });
    /** Part 0, 1, 2: queries, keys, values. */
    const part = (which: number) =>
      mapRows(fused, (row) =>
        Float64Array.from({ length: hidden }, (_, at_) => {
          const head = Math.floor(at_ / headDim);
          return row[(head * 3 + which) * headDim + (at_ % headDim)]!;
        }),
      );
    const [queries, keys] = [part(0), part(1)].map((rows) => rotated(rows, headDim, rope)) as [Rows, Rows];
    const mixed = attend({ queries, keys, values: part(2), headDim, scale: 1 / Math.sqrt(headDim) });
    const attended = dense(net, `${at}.attention.dense`, mixed, { out: hidden, biased });
    const isParallel = flag(config, 'use_parallel_residual', true);
    x = isParallel ? sum(sum(x, attended), mlp(at, x)) : sum(sum(x, attended), mlp(at, sum(x, attended)));
  }
  const names = { embedding: 'gpt_neox.embed_in', head: 'embed_out', tied: false };
  return logitsOf(net, classicNorm(net, 'gpt_neox.final_layer_norm', x, epsilon), names);
}
