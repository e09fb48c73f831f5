/** The parts that most descriptions are made of, under the names that the hub gives their tensors. */
import type {
  Activation,
  AttentionInputDescription,
  GatedMlpDescription,
  LinearDescription,
  NormDescription,
} from '../blocks/description.ts';
import type { ConfigReader } from '../config/config-reader.ts';
import type { DecoderNumbers } from '../config/decoder-numbers.ts';
import { most } from '../config/limits.ts';

export interface LinearPart {
  /** Of the module: `.weight` and `.bias` follow it. */
  readonly name: string;
  readonly out: number;
  readonly in: number;
  readonly biased?: boolean;
  readonly stored?: 'out-in' | 'in-out';
}

export function linear({ name, out, in: into, biased = false, stored = 'out-in' }: LinearPart): LinearDescription {
  const bias = biased ? { bias: `${name}.bias` } : {};
  return { tensor: `${name}.weight`, out, in: into, stored, ...bias };
}

export interface NormPart {
  readonly name: string;
  readonly hidden: number;
  readonly epsilon: number;
}

export function rmsNorm({ name, hidden, epsilon }: NormPart): NormDescription {
  return { kind: 'rms', tensor: `${name}.weight`, hidden, epsilon };
}

/** The weight that is stored is added to 1. */
export function rmsNormFromOne(part: NormPart): NormDescription {
  return { ...rmsNorm(part), weightOffset: 1 };
}

export function layerNorm({ name, hidden, epsilon }: NormPart): NormDescription {
  return { kind: 'layer', tensor: `${name}.weight`, bias: `${name}.bias`, hidden, epsilon };
}

/** q_proj, k_proj and v_proj under `at`. */
export function separateInput(at: string, numbers: DecoderNumbers, biased: boolean): AttentionInputDescription {
  const { heads, kvHeads, headDim, hidden } = numbers;
  const part = (name: string, count: number) =>
    linear({ name: `${at}.${name}`, out: count * headDim, in: hidden, biased });
  return { kind: 'apart', query: part('q_proj', heads), key: part('k_proj', kvHeads), value: part('v_proj', kvHeads) };
}

/** The matrix behind attention: all heads to the hidden size. */
export function outputOf(name: string, { heads, headDim, hidden }: DecoderNumbers, biased: boolean): LinearDescription {
  return linear({ name, out: hidden, in: heads * headDim, biased });
}

export interface GatedPart {
  readonly hidden: number;
  readonly intermediate: number;
  readonly activation: Activation;
  readonly biased?: boolean;
  /** Modules under `at`; default gate_proj, up_proj, down_proj. */
  readonly names?: readonly [gate: string, up: string, down: string];
}

export function gatedMlp(at: string, part: GatedPart): GatedMlpDescription {
  const { hidden, intermediate, activation, biased = false, names = ['gate_proj', 'up_proj', 'down_proj'] } = part;
  const [gate, up, down] = names;
  const inner = (name: string) => linear({ name: `${at}.${name}`, out: intermediate, in: hidden, biased });
  return {
    kind: 'gated',
    activation,
    input: { kind: 'apart', gate: inner(gate), up: inner(up) },
    down: linear({ name: `${at}.${down}`, out: hidden, in: intermediate, biased }),
  };
}

export function readIntermediate(config: ConfigReader): number {
  return config.count('intermediate_size', { most: most.intermediate });
}

/** A table of rows: token embeddings, or learned positions. */
export function table(name: string, rows: number, width: number): LinearDescription {
  return { tensor: `${name}.weight`, out: rows, in: width };
}

/** The embedding itself in a tied model, else a matrix of its own. */
export function headOf(config: ConfigReader, embedding: LinearDescription, given: { tied: boolean; name: string }) {
  const isTied = config.flagOr('tie_word_embeddings', given.tied);
  return isTied ? embedding : { ...embedding, tensor: `${given.name}.weight` };
}

/** One entry a layer. */
export function eachLayer<T>(layers: number, describe: (layer: number) => T): T[] {
  return Array.from({ length: layers }, (_, layer) => describe(layer));
}
