import { CandidateSampler, type RowCandidates } from './candidate-sampler.ts';
import { Penalties, type TokenHistory } from './penalties.ts';
import { PositionRandom } from './position-random.ts';
import { hasPenalties, type ResolvedSampling } from './resolve-sampling.ts';
import { TokenFilter } from './token-filter.ts';

/**
 * Next token from a row of logits. A pure function of its arguments: scratch memory is made once for all sequences of an engine, and a
 * call allocates nothing.
 *
 * Order, as is common: penalties, temperature, top-k, top-p, min-p, draw. At temperature 0 the token with the highest score is taken,
 * the lowest id on a tie, and nothing but penalties matters. The draw takes the token where the cumulative probability, in the
 * order of ids, exceeds the number that belongs to (seed, position).
 *
 * Arithmetic is in float64. Logits may be -Infinity (never sampled); at least one must be finite, and none NaN.
 */
export class TokenSampler {
  /** [vocabulary] the current row, after penalties. */
  readonly #scores: Float64Array;
  readonly #filter: TokenFilter;
  readonly #penalties: Penalties;
  readonly #random = new PositionRandom();
  #candidates: CandidateSampler | undefined;

  /** Memory: 25 bytes a token of the vocabulary. */
  constructor(vocabulary: number) {
    this.#scores = new Float64Array(vocabulary);
    this.#filter = new TokenFilter(this.#scores);
    this.#penalties = new Penalties(vocabulary);
  }

  /**
   * The token at position `history.tokenCount`. `logits` [vocabulary] are not changed.
   * Cost: O(vocabulary), and the history with penalties.
   */
  sample(logits: Float32Array, sampling: ResolvedSampling, history: TokenHistory): number {
    this.#scores.set(logits);
    if (hasPenalties(sampling)) this.#penalties.apply(this.#scores, sampling, history);
    const best = argmaxOf(this.#scores);
    if (sampling.temperature === 0) return best;
    const count = this.#filter.filter(sampling, best);
    return this.#draw(count, this.#random.uniformAt(sampling.seed, history.tokenCount));
  }

  /** The same token from candidates that are enough for it. O(candidates), and the history with penalties. */
  sampleCandidates(row: RowCandidates, sampling: ResolvedSampling, history: TokenHistory): number {
    this.#candidates ??= new CandidateSampler(row.ids.length, this.#scores.length);
    return this.#candidates.sample(row, sampling, history);
  }

  #draw(count: number, uniform: number): number {
    const { ids, weights } = this.#filter;
    let total = 0;
    for (let i = 0; i < count; i += 1) total += weights[ids[i] as number] as number;
    const target = uniform * total;
    let sum = 0;
    for (let i = 0; i < count; i += 1) {
      const id = ids[i] as number;
      sum += weights[id] as number;
      if (sum > target) return id;
    }
    // Rounding can make the target the total, for numbers next to 1.
    return ids[count - 1] as number;
  }
}

/** Id of the highest score, the lowest one on a tie. Pure. */
export function argmaxOf(scores: Float32Array | Float64Array): number {
  let best = 0;
  let highest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < scores.length; id += 1) {
    const score = scores[id] as number;
    if (score > highest) {
      highest = score;
      best = id;
    }
  }
  return best;
}
