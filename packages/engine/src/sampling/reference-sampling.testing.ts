import type { SamplingOptions } from '../api.ts';
import { type ResolvedSampling, resolveSampling } from './resolve-sampling.ts';

export function resolve(options: SamplingOptions): ResolvedSampling {
  const result = resolveSampling(options, 1);
  if (!result.ok) throw new Error(`${result.option} was refused`);
  return result.sampling;
}

export interface ReferenceSampling {
  /** [vocabulary] probability of being drawn. */
  readonly probabilities: readonly number[];
  /** Tokens of probability above 0, ascending. */
  readonly kept: readonly number[];
  /** Whether another order of adding could change what top-p keeps. */
  readonly isOnTheEdge: boolean;
}

/** Temperature, top-k, top-p and min-p from their definitions, by sorting everything in float64. */
export function referenceSampling(
  logits: Float32Array,
  { temperature, topK, topP, minP }: ResolvedSampling,
): ReferenceSampling {
  const highest = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  let kept = Array.from(logits, (logit, id) => ({ id, logit, weight: Math.exp((logit - highest) / temperature) }));
  kept.sort((a, b) => (a.logit === b.logit ? a.id - b.id : b.logit - a.logit));
  if (topK > 0) kept = kept.slice(0, topK);
  const total = kept.reduce((sum, { weight }) => sum + weight, 0);
  let isOnTheEdge = false;
  let sum = 0;
  if (topP < 1) {
    kept = kept.filter(({ weight }) => {
      if (Math.abs(sum - topP * total) < 1e-9 * total) isOnTheEdge = true;
      const isNeeded = sum < topP * total;
      sum += weight;
      return isNeeded;
    });
  }
  kept = kept.filter(({ weight }) => weight >= minP && weight > 0);
  const keptTotal = kept.reduce((mass, { weight }) => mass + weight, 0);
  const probabilities = new Array<number>(logits.length).fill(0);
  for (const { id, weight } of kept) probabilities[id] = weight / keptTotal;
  return { probabilities, kept: kept.map(({ id }) => id).sort((a, b) => a - b), isOnTheEdge };
}
