/**
 * What Gemma 2 and 3 have in common (transformers: modeling_gemma2, modeling_gemma3): norms on both sides of each branch whose weights are
 * stored less 1, embeddings times sqrt(hidden), scores scaled by query_pre_attn_scalar, caps.
 *
 *     x += post(attention(pre(x)));  x += post(mlp(pre(x)))
 */
import type { DecoderDescription, LayerDescription, RopeDescription } from '../blocks/description.ts';
import { readActivation } from '../config/activation.ts';
import type { ConfigReader } from '../config/config-reader.ts';
import { describeLlamaLayout, type readLlamaNumbers } from './llama-layout.ts';
import { gatedMlp, readIntermediate, rmsNormFromOne } from './parts.ts';

export interface GemmaLayout {
  readonly architecture: string;
  readonly common: ReturnType<typeof readLlamaNumbers>;
  readonly windows: readonly (number | undefined)[];
  readonly rope?: (layer: number) => RopeDescription;
  /** Where a layer is otherwise. */
  readonly change?: (layer: LayerDescription, at: string) => LayerDescription;
  readonly softcaps: { readonly scores?: number; readonly logits?: number };
}

export function describeGemmaLayout(config: ConfigReader, layout: GemmaLayout): DecoderDescription {
  const { architecture, common, windows, rope, softcaps, change = (layer: LayerDescription) => layer } = layout;
  const { numbers, epsilon } = common;
  const { hidden } = numbers;
  const norm = (name: string) => rmsNormFromOne({ name, hidden, epsilon });
  const activation = readActivation(
    config,
    config.has('hidden_activation') ? 'hidden_activation' : 'hidden_act',
    'gelu_pytorch_tanh',
  );
  const intermediate = readIntermediate(config);
  const description = describeLlamaLayout(config, {
    architecture,
    ...common,
    tied: true,
    windows,
    biased: { input: config.flagOr('attention_bias', false), output: config.flagOr('attention_bias', false) },
    scale: config.positiveOr('query_pre_attn_scalar', 256) ** -0.5,
    finalNorm: norm('model.norm'),
    mlp: (at) => gatedMlp(at, { hidden, intermediate, activation }),
    change: (layer, at) => change(withOuterNorms(layer, { at, norm, softcap: softcaps.scores }), at),
    ...(rope === undefined ? {} : { rope }),
  });
  const capped = softcaps.logits === undefined ? {} : { logitSoftcap: softcaps.logits };
  return { ...description, embeddingScale: Math.sqrt(hidden), ...capped };
}

interface OuterNorms {
  readonly at: string;
  readonly norm: (name: string) => NonNullable<LayerDescription['mlpNorm']>;
  readonly softcap: number | undefined;
}

function withOuterNorms(layer: LayerDescription, { at, norm, softcap }: OuterNorms): LayerDescription {
  return {
    ...layer,
    attentionNorm: norm(`${at}.input_layernorm`),
    attention: { ...layer.attention, ...(softcap === undefined ? {} : { softcap }) },
    attentionOutputNorm: norm(`${at}.post_attention_layernorm`),
    mlpNorm: norm(`${at}.pre_feedforward_layernorm`),
    mlpOutputNorm: norm(`${at}.post_feedforward_layernorm`),
  };
}

/** A cap that null switches off. */
export function readSoftcap(config: ConfigReader, field: string): number | undefined {
  return config.has(field) ? config.positive(field) : undefined;
}
