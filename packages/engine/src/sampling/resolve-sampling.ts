import type { SamplingOptions } from '../api.ts';

/** Every sampling option with a value in its range. */
export type ResolvedSampling = Readonly<Required<SamplingOptions>>;

export type SamplingResult =
  | { readonly ok: true; readonly sampling: ResolvedSampling }
  | {
      readonly ok: false;
      readonly option: keyof SamplingOptions;
      readonly value: unknown;
      /** What it has to be, for a sentence: "a number from 0 to 1". */
      readonly expected: string;
    };

interface Rule {
  readonly whenAbsent: number;
  readonly expected: string;
  readonly accepts: (value: number) => boolean;
}

const isSeed = (value: number) => Number.isSafeInteger(value) && value >= 0;
const isPenalty = (value: number) => value >= -2 && value <= 2;

const rules: Readonly<Record<Exclude<keyof SamplingOptions, 'seed'>, Rule>> = {
  temperature: { whenAbsent: 0, expected: 'a number of at least 0', accepts: (value) => value >= 0 },
  topK: {
    whenAbsent: 0,
    expected: 'an integer of at least 0',
    accepts: (value) => Number.isInteger(value) && value >= 0,
  },
  topP: { whenAbsent: 1, expected: 'a number above 0 and at most 1', accepts: (value) => value > 0 && value <= 1 },
  minP: { whenAbsent: 0, expected: 'a number from 0 to 1', accepts: (value) => value >= 0 && value <= 1 },
  repetitionPenalty: { whenAbsent: 1, expected: 'a number above 0', accepts: (value) => value > 0 },
  presencePenalty: { whenAbsent: 0, expected: 'a number from -2 to 2', accepts: isPenalty },
  frequencyPenalty: { whenAbsent: 0, expected: 'a number from -2 to 2', accepts: isPenalty },
};

/**
 * Fills in defaults and checks ranges. Pure; keys that are no sampling options are left to the caller. `undefined` is an absent option.
 * `drawnSeed`: what the seed is when the request names none, an integer in [0, 2^53); who draws it reports it.
 */
export function resolveSampling(options: SamplingOptions, drawnSeed: number): SamplingResult {
  const seed: Rule = { whenAbsent: drawnSeed, expected: 'an integer from 0 to 2^53 - 1', accepts: isSeed };
  const resolved = { seed: drawnSeed } as Record<keyof SamplingOptions, number>;
  for (const [option, rule] of Object.entries({ ...rules, seed }) as [keyof SamplingOptions, Rule][]) {
    const given: unknown = options[option];
    const value = given === undefined ? rule.whenAbsent : given;
    if (typeof value !== 'number' || !Number.isFinite(value) || !rule.accepts(value)) {
      return { ok: false, option, value, expected: rule.expected };
    }
    resolved[option] = value;
  }
  return { ok: true, sampling: Object.freeze(resolved) };
}

/** Whether the next token is plainly the one with the largest logit, so that a graph's own argmax is enough. Pure. */
export function isPlainGreedy(sampling: ResolvedSampling): boolean {
  return sampling.temperature === 0 && !hasPenalties(sampling);
}

export function hasPenalties(sampling: ResolvedSampling): boolean {
  return sampling.repetitionPenalty !== 1 || sampling.presencePenalty !== 0 || sampling.frequencyPenalty !== 0;
}
