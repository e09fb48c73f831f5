/** A forward pass for each model_type, over the whole sequence and without a cache, from the published formulas. */
import { activation, columns, mapRows, multiplied, type Rows, scaled, sum } from './arithmetic.ts';
import { attend } from './attention.ts';
import { type Config, flag, number, numbers, section, text } from './config.ts';
import { gpt2, gptNeo, gptNeox } from './gpt-models.ts';
import {
  classicNorm,
  dense,
  embed,
  experts,
  gated,
  logitsOf,
  type Network,
  plain,
  rms,
  rmsOfHeads,
  ropeOf,
  type SelfAttention,
  selfAttention,
  sizesOf,
} from './network.ts';
import { rotated } from './rotation.ts';
import type { Tensors } from './tensors.ts';

type Forward = (net: Network, ids: readonly number[]) => Rows;

export interface ReferenceRequest {
  readonly config: Config;
  readonly tensors: Tensors;
  readonly ids: readonly number[];
  /** What ropes that follow the context are fixed for; default max_position_embeddings. */
  readonly contextTokens?: number;
}

/** [tokens][vocabulary] */
export function referenceLogits({ config, tensors, ids, contextTokens }: ReferenceRequest): Rows {
  const forward = forwards[text(config, 'model_type', '')];
  if (forward === undefined) throw new Error(`the reference has no ${config.model_type}`);
  return forward(
    { config, tensors, contextTokens: contextTokens ?? number(config, 'max_position_embeddings', 0) },
    ids,
  );
}

const layersOf = (net: Network) => [...new Array(number(net.config, 'num_hidden_layers')).keys()];
const silu = ['gate_proj', 'up_proj', 'down_proj'] as const;

/** Pre-norm decoder with q, k, v, o and a gated MLP; what differs is given by layer. */
function llamaLike(net: Network, ids: readonly number[], of: Variation = {}): Rows {
  const { hidden, headDim } = sizesOf(net);
  const branch = of.branch ?? 1;
  const dim = Math.trunc(headDim * number(net.config, 'partial_rotary_factor', 1));
  const rope = ropeOf(net, { base: number(net.config, 'rope_theta', 10_000), dim });
  let x = scaled(embed(net, 'model.embed_tokens', ids, hidden), of.embedding ?? 1);
  for (const layer of layersOf(net)) {
    const at = `model.layers.${layer}`;
    const options = { rope, ...of.attention?.(layer, at) };
    const attended = (of.attend ?? selfAttention)(
      net,
      `${at}.self_attn`,
      rms(net, `${at}.input_layernorm`, x),
      options,
    );
    x = sum(x, scaled(attended, branch));
    const normed = rms(net, `${at}.post_attention_layernorm`, x);
    const mixed = of.mlp === undefined ? gated(net, `${at}.mlp`, normed, silu) : of.mlp(at, normed);
    x = sum(x, scaled(mixed, branch));
  }
  const names = { embedding: 'model.embed_tokens', head: 'lm_head', tied: of.tied ?? false };
  return scaled(logitsOf(net, rms(net, 'model.norm', x), names), 1 / (of.logits ?? 1));
}

interface Variation {
  readonly attention?: (layer: number, at: string) => SelfAttention;
  readonly attend?: typeof selfAttention;
  readonly mlp?: (at: string, x: Rows) => Rows;
  readonly tied?: boolean;
  readonly embedding?: number;
  readonly branch?: number;
  readonly logits?: number;
}

const windowOf = (config: Config) => (config.sliding_window ?? undefined) as number | undefined;

/** layer_types, or a rule. */
function isSliding(config: Config, layer: number, rule: boolean): boolean {
  const types = config.layer_types as readonly string[] | undefined;
  return types === undefined ? rule : types[layer] === 'sliding_attention';
}

const llama: Forward = (net, ids) => {
  const biased = flag(net.config, 'attention_bias', false);
  return llamaLike(net, ids, { attention: () => ({ biased, outputBiased: biased }) });
};

const mistral: Forward = (net, ids) =>
  llamaLike(net, ids, {
    attention: (layer) => ({ window: isSliding(net.config, layer, true) ? windowOf(net.config) : undefined }),
  });

const mixtral: Forward = (net, ids) =>
  llamaLike(net, ids, {
    attention: () => ({ window: windowOf(net.config) }),
    mlp: (at, x) => experts(net, `${at}.block_sparse_moe`, x),
  });

function qwenWindow({ config }: Network, layer: number): number | undefined {
  if (!flag(config, 'use_sliding_window', false)) return undefined;
  return isSliding(config, layer, layer >= number(config, 'max_window_layers', 28)) ? windowOf(config) : undefined;
}

const qwen2: Forward = (net, ids) =>
  llamaLike(net, ids, { attention: (layer) => ({ biased: true, window: qwenWindow(net, layer) }) });

const qwen3: Forward = (net, ids) =>
  llamaLike(net, ids, {
    attention: (layer, at) => ({
      window: qwenWindow(net, layer),
      prepare: (rows, which) => rmsOfHeads(net, `${at}.self_attn.${which}`, rows, sizesOf(net).headDim),
    }),
  });

const phi3: Forward = (net, ids) =>
  llamaLike(net, ids, {
    attention: () => ({ window: windowOf(net.config) }),
    attend: (_, at, x, { rope, window }) => {
      const { hidden, heads, kvHeads, headDim } = sizesOf(net);
      const [q, kv] = [heads * headDim, kvHeads * headDim];
      const fused = dense(net, `${at}.qkv_proj`, x, { out: q + 2 * kv });
      const mixed = attend({
        queries: rotated(columns(fused, 0, q), headDim, rope!),
        keys: rotated(columns(fused, q, q + kv), headDim, rope!),
        values: columns(fused, q + kv, q + 2 * kv),
        headDim,
        scale: 1 / Math.sqrt(headDim),
        window,
      });
      return dense(net, `${at}.o_proj`, mixed, { out: hidden });
    },
    mlp: (at, x) => {
      const inner = number(net.config, 'intermediate_size');
      const both = dense(net, `${at}.mlp.gate_up_proj`, x, { out: 2 * inner });
      const gate = mapRows(columns(both, 0, inner), (row) =>
        row.map(activation(text(net.config, 'hidden_act', 'silu'))),
      );
      return dense(net, `${at}.mlp.down_proj`, multiplied(gate, columns(both, inner, 2 * inner)), {
        out: x[0]!.length,
      });
    },
  });

const granite: Forward = (net, ids) =>
  llamaLike(net, ids, {
    attention: () => ({ scale: number(net.config, 'attention_multiplier') }),
    embedding: number(net.config, 'embedding_multiplier'),
    branch: number(net.config, 'residual_multiplier'),
    logits: number(net.config, 'logits_scaling'),
  });

const smollm3: Forward = (net, ids) => {
  const turns = (layer: number) =>
    section(net.config, 'no_rope_layers') === undefined
      ? (layer + 1) % number(net.config, 'no_rope_layer_interval', 4) !== 0
      : numbers(net.config, 'no_rope_layers')[layer] === 1;
  return llamaLike(net, ids, { tied: true, attention: (layer) => (turns(layer) ? {} : { rope: undefined }) });
};

/** Norms behind the branches, none before; queries and keys are normalised over all heads together. */
const olmo2: Forward = (net, ids) => {
  const { hidden, headDim } = sizesOf(net);
  const rope = ropeOf(net, { base: number(net.config, 'rope_theta', 10_000), dim: headDim });
  let x = embed(net, 'model.embed_tokens', ids, hidden);
  for (const layer of layersOf(net)) {
    const at = `model.layers.${layer}`;
    const prepare = (rows: Rows, which: string) => rms(net, `${at}.self_attn.${which}`, rows);
    const attended = selfAttention(net, `${at}.self_attn`, x, { rope, prepare });
    x = sum(x, rms(net, `${at}.post_attention_layernorm`, attended));
    x = sum(x, rms(net, `${at}.post_feedforward_layernorm`, gated(net, `${at}.mlp`, x, silu)));
  }
  const names = { embedding: 'model.embed_tokens', head: 'lm_head', tied: false };
  return logitsOf(net, rms(net, 'model.norm', x), names);
};

function gemma(net: Network, ids: readonly number[], attention: (layer: number, at: string) => SelfAttention): Rows {
  const { hidden } = sizesOf(net);
  const scale = number(net.config, 'query_pre_attn_scalar') ** -0.5;
  const act = text(net.config, 'hidden_activation', 'gelu_pytorch_tanh');
  let x = scaled(embed(net, 'model.embed_tokens', ids, hidden), Math.sqrt(hidden));
  for (const layer of layersOf(net)) {
    const at = `model.layers.${layer}`;
    const options = { scale, ...attention(layer, at) };
    const attended = selfAttention(net, `${at}.self_attn`, rms(net, `${at}.input_layernorm`, x, 1), options);
    x = sum(x, rms(net, `${at}.post_attention_layernorm`, attended, 1));
    const mixed = gated(net, `${at}.mlp`, rms(net, `${at}.pre_feedforward_layernorm`, x, 1), silu, act);
    x = sum(x, rms(net, `${at}.post_feedforward_layernorm`, mixed, 1));
  }
  const names = { embedding: 'model.embed_tokens', head: 'lm_head', tied: true };
  const logits = logitsOf(net, rms(net, 'model.norm', x, 1), names);
  const cap = net.config.final_logit_softcapping;
  return typeof cap === 'number' ? mapRows(logits, (row) => row.map((z) => cap * Math.tanh(z / cap))) : logits;
}

const gemma2: Forward = (net, ids) => {
  const rope = ropeOf(net, { base: number(net.config, 'rope_theta', 10_000), dim: sizesOf(net).headDim });
  const cap = (net.config.attn_logit_softcapping ?? undefined) as number | undefined;
  return gemma(net, ids, (layer) => ({
    rope,
    cap,
    window: isSliding(net.config, layer, layer % 2 === 0) ? windowOf(net.config) : undefined,
  }));
};

const gemma3: Forward = (net, ids) => {
  const { headDim } = sizesOf(net);
  const isNew = section(net.config, 'rope_parameters') !== undefined;
  const wide = ropeOf(net, { base: number(net.config, 'rope_theta', 1e6), dim: headDim, kind: 'full_attention' });
  const localBase = number(net.config, 'rope_local_base_freq', 10_000);
  const local = ropeOf(net, { base: localBase, dim: headDim, kind: 'sliding_attention', scaled: isNew });
  const period = number(net.config, 'sliding_window_pattern', 6);
  return gemma(net, ids, (layer, at) => {
    const slides = isSliding(net.config, layer, (layer + 1) % period !== 0);
    return {
      rope: slides ? local : wide,
      window: slides ? windowOf(net.config) : undefined,
      prepare: (rows, which) => rmsOfHeads(net, `${at}.self_attn.${which}`, rows, headDim, 1),
    };
  });
};

const starcoder2: Forward = (net, ids) => {
  const { hidden, headDim } = sizesOf(net);
  const epsilon = number(net.config, 'norm_epsilon', 1e-5);
  const rope = ropeOf(net, { base: number(net.config, 'rope_theta', 10_000), dim: headDim });
  const options = { rope, biased: true, outputBiased: true, window: windowOf(net.config) };
  let x = embed(net, 'model.embed_tokens', ids, hidden);
  for (const layer of layersOf(net)) {
    const at = `model.layers.${layer}`;
    x = sum(x, selfAttention(net, `${at}.self_attn`, classicNorm(net, `${at}.input_layernorm`, x, epsilon), options));
    const normed = classicNorm(net, `${at}.post_attention_layernorm`, x, epsilon);
    const out = number(net.config, 'intermediate_size');
    const act = text(net.config, 'hidden_act', 'gelu_pytorch_tanh');
    x = sum(x, plain(net, normed, { up: `${at}.mlp.c_fc`, down: `${at}.mlp.c_proj`, out, act }));
  }
  const names = { embedding: 'model.embed_tokens', head: 'lm_head', tied: true };
  return logitsOf(net, classicNorm(net, 'model.norm', x, epsilon), names);
};

const forwards: Readonly<Record<string, Forward>> = {
  gemma2,
  gemma3_text: gemma3,
  gpt2,
  gpt_neo: gptNeo,
  gpt_neox: gptNeox,
  granite,
  llama,
  mistral,
  mixtral,
  olmo2,
  phi3,
  qwen2,
  qwen3,
  smollm3,
  starcoder2,
};
