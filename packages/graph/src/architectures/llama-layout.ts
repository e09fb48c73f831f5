/**
 * What Llama and the many models that follow its layout have in common: names of tensors, order of norms, gated MLP. An architecture of
 * the family says where it differs.
 */
import type {
  DecoderDescription,
  LayerDescription,
  MlpDescription,
  NormDescription,
  RopeDescription,
} from '../blocks/description.ts';
import { readActivation } from '../config/activation.ts';
import type { ConfigReader } from '../config/config-reader.ts';
import { type DecoderNumbers, type NumberDefaults, readNumbers, shapeOf } from '../config/decoder-numbers.ts';
import { readRope, ropeContext } from '../config/rope.ts';
import { eachLayer, gatedMlp, headOf, outputOf, readIntermediate, rmsNorm, separateInput, table } from './parts.ts';

export interface LlamaLayout {
  /** As in `architectures` of config.json. */
  readonly architecture: string;
  readonly numbers: DecoderNumbers;
  readonly epsilon: number;
  /** Whether embedding and head are one tensor when config.json does not say. */
  readonly tied?: boolean;
  readonly biased?: { readonly input?: boolean; readonly output?: boolean };
  /** Default: that of config.json, for every layer. */
  readonly rope?: (layer: number) => RopeDescription | undefined;
  /** [layers]; default: none. */
  readonly windows?: readonly (number | undefined)[];
  /** Default headDim ** -0.5. */
  readonly scale?: number;
  /** Default: gate_proj, up_proj and down_proj with hidden_act. */
  readonly mlp?: (at: string) => MlpDescription;
  /** Where a layer is otherwise. */
  readonly change?: (layer: LayerDescription, at: string) => LayerDescription;
  readonly finalNorm?: NormDescription;
}

export function describeLlamaLayout(config: ConfigReader, layout: LlamaLayout): DecoderDescription {
  const { architecture, numbers, epsilon, tied = false, biased = {} } = layout;
  const { layers, hidden, headDim } = numbers;
  const { scale = headDim ** -0.5, windows = [], change = (layer: LayerDescription) => layer } = layout;
  const mlp = layout.mlp ?? defaultMlp(config, numbers);
  const ropeOf = layout.rope ?? sameRope(readRope(config, numbers));
  const norm = (name: string) => rmsNorm({ name, hidden, epsilon });
  const embedding = table('model.embed_tokens', numbers.vocabulary, hidden);
  const describeLayer = (layer: number): LayerDescription => {
    const at = `model.layers.${layer}`;
    const [rope, window] = [ropeOf(layer), windows[layer]];
    const description: LayerDescription = {
      attentionNorm: norm(`${at}.input_layernorm`),
      attention: {
        input: separateInput(`${at}.self_attn`, numbers, biased.input ?? false),
        output: outputOf(`${at}.self_attn.o_proj`, numbers, biased.output ?? false),
        scale,
        ...(rope === undefined ? {} : { rope }),
        ...(window === undefined ? {} : { window }),
      },
      mlpNorm: norm(`${at}.post_attention_layernorm`),
      mlp: mlp(`${at}.mlp`),
    };
    return change(description, at);
  };
  const contextTokens = ropeContext(config, numbers.contextTokens);
  return {
    shape: shapeOf(architecture, { ...numbers, contextTokens }),
    embedding,
    layers: eachLayer(layers, describeLayer),
    finalNorm: layout.finalNorm ?? norm('model.norm'),
    head: headOf(config, embedding, { tied, name: 'lm_head' }),
  };
}

/** Numbers and epsilon in the fields of Llama's config. */
export function readLlamaNumbers(
  config: ConfigReader,
  defaults: NumberDefaults & { readonly epsilon?: number },
): { readonly numbers: DecoderNumbers; readonly epsilon: number } {
  return {
    numbers: readNumbers(config, defaults),
    epsilon: config.positiveOr('rms_norm_eps', defaults.epsilon ?? 1e-6),
  };
}

/** gate_proj, up_proj and down_proj. */
export function defaultMlp(config: ConfigReader, { hidden }: DecoderNumbers, biased = false) {
  const activation = readActivation(config, 'hidden_act', 'silu');
  const intermediate = readIntermediate(config);
  return (at: string): MlpDescription => gatedMlp(at, { hidden, intermediate, activation, biased });
}

function sameRope(rope: RopeDescription) {
  return (): RopeDescription => rope;
}

/** Norms of queries and keys, named under self_attn. */
export function withQueryKeyNorm(
  layer: LayerDescription,
  norms: { readonly query: NormDescription; readonly key: NormDescription },
): LayerDescription {
  return { ...layer, attention: { ...layer.attention, queryNorm: norms.query, keyNorm: norms.key } };
}
