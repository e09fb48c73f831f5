/**
 * Ways to stretch a rotary embedding over a longer context. Formulas: transformers' modeling_rope_utils (linear, dynamic, yarn, longrope,
 * llama3) and the papers it cites (YaRN: Peng et al. 2023; LongRoPE: Ding et al. 2024).
 */
import type { RopeTable } from '../blocks/description.ts';
import type { ConfigReader } from './config-reader.ts';
import { most } from './limits.ts';

export interface UnscaledRope {
  readonly theta: number;
  /** Leading elements of a head that are rotated; even. */
  readonly rotaryDim: number;
  /** max_position_embeddings */
  readonly contextTokens: number;
}

/** A rope before the context setting is known. */
export interface ScaledRope {
  readonly followsContext: boolean;
  readonly at: (contextTokens: number) => RopeTable;
}

type ScaleRope = (scaling: ConfigReader, rope: UnscaledRope) => ScaledRope;

/** theta ^ (-2 pair / rotaryDim) for each pair. Pure. */
function plainFrequencies({ theta, rotaryDim }: UnscaledRope): number[] {
  return Array.from({ length: rotaryDim / 2 }, (_, pair) => theta ** ((-2 * pair) / rotaryDim));
}

/** The same for every context. */
function fixed(frequencies: readonly number[], magnitude = 1): ScaledRope {
  return { followsContext: false, at: () => ({ frequencies, magnitude }) };
}

export const ropeScalings: ReadonlyMap<string, ScaleRope> = new Map<string, ScaleRope>([
  ['default', (_, rope) => fixed(plainFrequencies(rope))],
  ['linear', scaleLinearly],
  ['dynamic', scaleDynamically],
  ['llama3', scaleAsLlama3],
  ['yarn', scaleAsYarn],
  ['longrope', scaleAsLongRope],
  // The name that Phi-3 gave it first.
  ['su', scaleAsLongRope],
]);

/** Positions are divided by the factor. */
function scaleLinearly(scaling: ConfigReader, rope: UnscaledRope): ScaledRope {
  const factor = readFactor(scaling);
  return fixed(plainFrequencies(rope).map((frequency) => frequency / factor));
}

/** theta grows with the context beyond the one that was trained. */
function scaleDynamically(scaling: ConfigReader, rope: UnscaledRope): ScaledRope {
  const factor = readFactor(scaling);
  const trained = readOriginal(scaling, rope.contextTokens);
  const at = (contextTokens: number): RopeTable => {
    const stretch = (factor * Math.max(contextTokens, trained)) / trained - (factor - 1);
    // A single pair would be raised to a power without end.
    const theta = rope.rotaryDim === 2 ? rope.theta : rope.theta * stretch ** (rope.rotaryDim / (rope.rotaryDim - 2));
    return { frequencies: plainFrequencies({ ...rope, theta }), magnitude: 1 };
  };
  return { followsContext: true, at };
}

/** Long waves are slowed down by `factor`, short ones kept, those between blended. */
function scaleAsLlama3(scaling: ConfigReader, rope: UnscaledRope): ScaledRope {
  const factor = readFactor(scaling);
  const lowFactor = scaling.positive('low_freq_factor');
  const highFactor = scaling.positive('high_freq_factor');
  const originalTokens = scaling.positive('original_max_position_embeddings');
  if (highFactor <= lowFactor) {
    throw scaling.fault(`high_freq_factor (${highFactor}) is not above low_freq_factor (${lowFactor})`);
  }
  const scale = (frequency: number) => {
    const wavesInContext = (originalTokens * frequency) / (2 * Math.PI);
    if (wavesInContext < lowFactor) return frequency / factor;
    if (wavesInContext > highFactor) return frequency;
    const kept = (wavesInContext - lowFactor) / (highFactor - lowFactor);
    return (1 - kept) * (frequency / factor) + kept * frequency;
  };
  return fixed(plainFrequencies(rope).map(scale));
}

/** As Llama 3's, but blended along the pairs, and with cosines and sines made longer. */
function scaleAsYarn(scaling: ConfigReader, rope: UnscaledRope): ScaledRope {
  const trained = readOriginal(scaling, rope.contextTokens);
  const factor = scaling.positiveOr('factor', Math.max(1, rope.contextTokens / trained));
  /** The pair that turns so many times within the trained context. */
  const pairOf = (turns: number) =>
    (rope.rotaryDim * Math.log(trained / (turns * 2 * Math.PI))) / (2 * Math.log(rope.theta));
  const round = scaling.flagOr('truncate', true);
  const first = pairOf(scaling.positiveOr('beta_fast', 32));
  const last = pairOf(scaling.positiveOr('beta_slow', 1));
  const low = Math.max(round ? Math.floor(first) : first, 0);
  const high = Math.min(round ? Math.ceil(last) : last, rope.rotaryDim - 1);
  const width = low === high ? 0.001 : high - low;
  const frequencies = plainFrequencies(rope).map((frequency, pair) => {
    const slowed = Math.min(1, Math.max(0, (pair - low) / width));
    return frequency * (1 - slowed) + (frequency / factor) * slowed;
  });
  return fixed(frequencies, yarnMagnitude(scaling, factor));
}

function yarnMagnitude(scaling: ConfigReader, factor: number): number {
  if (scaling.has('attention_factor')) return scaling.positive('attention_factor');
  const grow = (by: number) => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  if (!scaling.has('mscale') || !scaling.has('mscale_all_dim')) return grow(1);
  return grow(scaling.positive('mscale')) / grow(scaling.positive('mscale_all_dim'));
}

/** A factor for each pair: short ones up to the trained context, long ones beyond. */
function scaleAsLongRope(scaling: ConfigReader, rope: UnscaledRope): ScaledRope {
  const trained = readOriginal(scaling, rope.contextTokens);
  const factor = Math.max(1, scaling.positiveOr('factor', rope.contextTokens / trained));
  const grown = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(trained));
  const magnitude = scaling.positiveOr('attention_factor', grown);
  const divided = (field: string) => {
    const factors = scaling.numbers(field);
    if (factors?.length !== rope.rotaryDim / 2 || !factors.every((one) => one > 0)) {
      throw scaling.fault(
        `${field} is not a list of ${rope.rotaryDim / 2} positive numbers, one for each rotated pair`,
      );
    }
    return plainFrequencies(rope).map((frequency, pair) => frequency / (factors[pair] as number));
  };
  const [short, long] = [divided('short_factor'), divided('long_factor')];
  const at = (contextTokens: number) => ({ frequencies: contextTokens > trained ? long : short, magnitude });
  return { followsContext: true, at };
}

function readFactor(scaling: ConfigReader): number {
  const factor = scaling.positive('factor');
  if (factor < 1) throw scaling.fault(`factor is ${factor} where a number from 1 belongs`);
  return factor;
}

function readOriginal(scaling: ConfigReader, contextTokens: number): number {
  return scaling.countOr('original_max_position_embeddings', contextTokens, { least: 2, most: most.context });
}
