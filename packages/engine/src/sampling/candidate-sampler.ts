import { Penalties, type TokenHistory } from './penalties.ts';
import { PositionRandom } from './position-random.ts';
import { hasPenalties, type ResolvedSampling } from './resolve-sampling.ts';

/** The most probable tokens of one row. */
export interface RowCandidates {
  /** [count] most probable first, the lower id on a tie. */
  readonly ids: Int32Array;
  readonly logits: Float32Array;
  /** Sum of exp((logit - largest) / temperature) over the whole vocabulary. */
  readonly total: number;
}

/**
 * Next token from candidates that are enough for it (`candidateWish`): the same as `TokenSampler` takes from all logits, by the same steps in
 * the same order. A pure function of its arguments; a call allocates nothing.
 */
export class CandidateSampler {
  readonly #ids: Int32Array;
  readonly #scores: Float64Array;
  readonly #weights: Float64Array;
  /** [vocabulary] scores of the candidates; what lies elsewhere means nothing. */
  readonly #byId: Float64Array;
  readonly #penalties: Penalties;
  readonly #random = new PositionRandom();

  /** `count`: candidates of a row at most. */
  constructor(count: number, vocabulary: number) {
    this.#ids = new Int32Array(count);
    this.#scores = new Float64Array(count);
    this.#weights = new Float64Array(count);
    this.#byId = new Float64Array(vocabulary);
    this.#penalties = new Penalties(vocabulary);
  }

  /** The token at position `history.tokenCount`. O(candidates), and the history with penalties. */
  sample(row: RowCandidates, sampling: ResolvedSampling, history: TokenHistory): number {
    const count = row.ids.length;
    this.#ids.set(row.ids);
    this.#scores.set(row.logits);
    if (hasPenalties(sampling)) this.#penalise(count, sampling, history);
    if (sampling.temperature === 0) return this.#ids[0] as number;
    const left = this.#filter(count, row.total, sampling);
    return this.#draw(left, this.#random.uniformAt(sampling.seed, history.tokenCount));
  }

  #penalise(count: number, sampling: ResolvedSampling, history: TokenHistory): void {
    for (let i = 0; i < count; i += 1) this.#byId[this.#ids[i] as number] = this.#scores[i] as number;
    this.#penalties.apply(this.#byId, sampling, history);
    for (let i = 0; i < count; i += 1) this.#scores[i] = this.#byId[this.#ids[i] as number] as number;
    this.#sort(count, (left, right) => {
      const difference = (this.#scores[right] as number) - (this.#scores[left] as number);
      return difference !== 0 ? difference : (this.#ids[left] as number) - (this.#ids[right] as number);
    });
  }

  /** Computes weights and returns how many of the first tokens may be drawn. */
  #filter(count: number, totalOfAll: number, { temperature, topK, topP, minP }: ResolvedSampling): number {
    const isTopK = topK > 0;
    const among = isTopK ? Math.min(topK, count) : count;
    const highest = this.#scores[0] as number;
    let total = 0;
    for (let i = 0; i < among; i += 1) {
      const weight = Math.exp(((this.#scores[i] as number) - highest) / temperature);
      this.#weights[i] = weight;
      total += weight;
    }
    let left = among;
    if (topP < 1) {
      const target = topP * (isTopK ? total : totalOfAll);
      let sum = 0;
      for (left = 0; left < among && sum < target; left += 1) sum += this.#weights[left] as number;
    }
    // A token of weight 0 has probability 0 and is never drawn, also without min-p.
    const least = Math.max(minP, Number.MIN_VALUE);
    while ((this.#weights[left - 1] as number) < least) left -= 1;
    return left;
  }

  /** In the order of ids, as from all logits: sums are then the same to the last bit. */
  #draw(count: number, uniform: number): number {
    this.#sort(count, (left, right) => (this.#ids[left] as number) - (this.#ids[right] as number));
    let total = 0;
    for (let i = 0; i < count; i += 1) total += this.#weights[i] as number;
    const target = uniform * total;
    let sum = 0;
    for (let i = 0; i < count; i += 1) {
      sum += this.#weights[i] as number;
      if (sum > target) return this.#ids[i] as number;
    }
    // Rounding can make the target the total, for numbers next to 1.
    return this.#ids[count - 1] as number;
  }

  /** Insertion sort of ids, scores and weights together: a hundred or so, and no allocation. */
  #sort(count: number, compare: (left: number, right: number) => number): void {
    for (let end = 1; end < count; end += 1) {
      for (let at = end; at > 0 && compare(at - 1, at) > 0; at -= 1) this.#swap(at - 1, at);
    }
  }

  #swap(left: number, right: number): void {
    const [id, score, weight] = [this.#ids[left], this.#scores[left], this.#weights[left]] as [number, number, number];
    this.#ids[left] = this.#ids[right] as number;
    this.#scores[left] = this.#scores[right] as number;
    this.#weights[left] = this.#weights[right] as number;
    this.#ids[right] = id;
    this.#scores[right] = score;
    this.#weights[right] = weight;
  }
}
