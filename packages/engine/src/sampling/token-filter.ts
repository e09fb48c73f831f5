import { Candidates } from './candidates.ts';
import type { ResolvedSampling } from './resolve-sampling.ts';

/**
 * Which tokens may be drawn, and with what weights: temperature, top-k, top-p, min-p, in this order.
 *
 * - temperature T > 0: p = softmax(score / T).
 * - top-k (Fan et al. 2018, "Hierarchical Neural Story Generation"): the k highest scores, ties by lower id, so exactly k.
 * - top-p (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration"): the fewest most probable tokens whose probabilities,
 *   renormalised over what top-k left, reach p; at least one.
 * - min-p (Nguyen et al. 2024, "Turning Up the Heat"): tokens with at least minP times the probability of the most probable one.
 *
 * Each keeps a beginning of the order by score, so what is left is one too.
 */
export class TokenFilter {
  /** After `filter`: the tokens that are left, [0, count), in the order of ids. */
  readonly ids: Int32Array;
  /** After `filter`, for the tokens that are left: [vocabulary] exp((score - highest) / temperature), so 1 is the largest. */
  readonly weights: Float64Array;
  readonly #scores: Float64Array;
  readonly #candidates: Candidates;

  /** `scores` [vocabulary] are read, never written, and may change between calls. */
  constructor(scores: Float64Array) {
    this.#scores = scores;
    this.#candidates = new Candidates(scores);
    this.ids = this.#candidates.ids;
    this.weights = new Float64Array(scores.length);
  }

  /** `best` is the id of the highest score. Returns the count of tokens that are left, at least 1. O(vocabulary). */
  filter(sampling: ResolvedSampling, best: number): number {
    const { topK, topP, minP } = sampling;
    // A token of weight 0 has probability 0 and is never drawn, also without min-p.
    const least = Math.max(minP, Number.MIN_VALUE);
    const isTopK = topK > 0 && topK < this.#scores.length;
    if (!isTopK && topP === 1) {
      this.#weighAll(sampling.temperature, best);
      return this.#candidates.selectAbove(this.weights, least);
    }
    const count = isTopK ? this.#nucleusOfTop(sampling, best) : this.#nucleus(sampling, best);
    return this.#inOrderOfIds(this.#candidates.lastOf(count), least);
  }

  /** top-k, then top-p, in any order; returns the count. Only k weights are computed. */
  #nucleusOfTop({ temperature, topK, topP }: ResolvedSampling, best: number): number {
    const { ids } = this;
    const highest = this.#scores[best] as number;
    const count = this.#candidates.selectFirst(topK);
    let total = 0;
    for (let i = 0; i < count; i += 1) {
      const id = ids[i] as number;
      const weight = Math.exp(((this.#scores[id] as number) - highest) / temperature);
      this.weights[id] = weight;
      total += weight;
    }
    return topP === 1 ? count : this.#candidates.selectMass(this.weights, count, topP * total);
  }

  /** top-p of the whole vocabulary, in any order; returns the count. */
  #nucleus({ temperature, topP }: ResolvedSampling, best: number): number {
    const total = this.#weighAll(temperature, best);
    // All tokens below 1 - p of the mean weigh less than 1 - p together, so the others reach p. The factor absorbs rounding.
    const least = (((1 - topP) * total) / this.#scores.length) * 0.999999;
    const count = this.#candidates.selectAbove(this.weights, least);
    return this.#candidates.selectMass(this.weights, count, topP * total);
  }

  /** Returns the sum. */
  #weighAll(temperature: number, best: number): number {
    const scores = this.#scores;
    const weights = this.weights;
    const highest = scores[best] as number;
    let total = 0;
    for (let id = 0; id < scores.length; id += 1) {
      const weight = Math.exp(((scores[id] as number) - highest) / temperature);
      weights[id] = weight;
      total += weight;
    }
    return total;
  }

  /** Every token up to `last` in the order of scores that weighs enough. Returns the count. */
  #inOrderOfIds(last: number, least: number): number {
    const { ids, weights } = this;
    const scores = this.#scores;
    const lowest = scores[last] as number;
    let count = 0;
    for (let id = 0; id < scores.length; id += 1) {
      const score = scores[id] as number;
      const isSelected = score > lowest || (score === lowest && id <= last);
      if (!isSelected || (weights[id] as number) < least) continue;
      ids[count] = id;
      count += 1;
    }
    return count;
  }
}
