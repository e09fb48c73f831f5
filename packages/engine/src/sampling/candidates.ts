/**
 * Partial selection by score. One total order everywhere: the higher score first, of equal ones the lower id. Every filter of a
 * sampler keeps a beginning of this order, so nothing is ever sorted.
 *
 *     ids:  [ selected, in any order | rest, in any order ]
 *           0                        count
 */
export class Candidates {
  /** Selected ids come first. [vocabulary] */
  readonly ids: Int32Array;
  readonly #scores: Float64Array;
  #pivotState = 1;

  /** `scores` [vocabulary] are read, never written, and may change between calls. */
  constructor(scores: Float64Array) {
    this.#scores = scores;
    this.ids = new Int32Array(scores.length);
  }

  /** Whether `first` comes before `second` in the order. */
  precedes(first: number, second: number): boolean {
    const difference = (this.#scores[first] as number) - (this.#scores[second] as number);
    return difference > 0 || (first < second && this.#scores[first] === this.#scores[second]);
  }

  /**
   * Selects the first `wanted` of all ids, 1 <= wanted <= vocabulary; returns `wanted`.
   * Expected O(vocabulary), one pass over the scores when `wanted` is far below: the best of each `wanted` or more newcomers stay, and
   * a score must exceed the worst of them to come in. Source of the scheme: `TopKSelector` of Google's Guava.
   */
  selectFirst(wanted: number): number {
    const scores = this.#scores;
    const ids = this.ids;
    const capacity = Math.min(scores.length, Math.max(2 * wanted, 128));
    let count = 0;
    let worst = Number.NEGATIVE_INFINITY;
    for (let id = 0; id < scores.length; id += 1) {
      if (count >= wanted && !((scores[id] as number) > worst)) continue;
      ids[count] = id;
      count += 1;
      if (count < capacity) continue;
      this.#keepFirst(count, wanted);
      count = wanted;
      worst = scores[ids[wanted - 1] as number] as number;
    }
    if (count > wanted) this.#keepFirst(count, wanted);
    return wanted;
  }

  /** Selects all ids with at least this weight, in the order of ids. `weights` [vocabulary]. Returns their count. O(vocabulary). */
  selectAbove(weights: Float64Array, least: number): number {
    const ids = this.ids;
    let count = 0;
    for (let id = 0; id < weights.length; id += 1) {
      if (!((weights[id] as number) >= least)) continue;
      ids[count] = id;
      count += 1;
    }
    return count;
  }

  /**
   * Of the selected [0, count), selects the shortest beginning of the order whose weights reach `target` > 0; returns its count
   * (`count` when all of them do not reach it). `weights` [vocabulary] fall with the order. Expected O(count).
   */
  selectMass(weights: Float64Array, count: number, target: number): number {
    const ids = this.ids;
    let low = 0;
    let high = count;
    // Weights of [0, low) are below the target, those of [0, high) reach it.
    let reached = 0;
    while (low < high) {
      const middle = this.#partition(low, high);
      let sum = reached;
      for (let i = low; i < middle; i += 1) sum += weights[ids[i] as number] as number;
      const sumWithPivot = sum + (weights[ids[middle] as number] as number);
      if (sum >= target) {
        high = middle;
      } else if (sumWithPivot >= target) {
        return middle + 1;
      } else {
        reached = sumWithPivot;
        low = middle + 1;
      }
    }
    return low;
  }

  /** The last of the selected [0, count), count >= 1. O(count). */
  lastOf(count: number): number {
    let last = this.ids[0] as number;
    for (let i = 1; i < count; i += 1) {
      const id = this.ids[i] as number;
      if (this.precedes(last, id)) last = id;
    }
    return last;
  }

  /** Moves the first `wanted` of [0, count) to the front, the last of them to `wanted - 1`. Quickselect (Hoare 1961). */
  #keepFirst(count: number, wanted: number): void {
    let low = 0;
    let high = count;
    for (;;) {
      const middle = this.#partition(low, high);
      if (middle === wanted - 1) return;
      if (middle < wanted) low = middle + 1;
      else high = middle;
    }
  }

  /** Moves what precedes a pivot in [low, high) before it, the rest behind it; returns the pivot's place. */
  #partition(low: number, high: number): number {
    const ids = this.ids;
    const scores = this.#scores;
    const chosen = low + this.#nextBelow(high - low);
    const pivot = ids[chosen] as number;
    const pivotScore = scores[pivot] as number;
    ids[chosen] = ids[high - 1] as number;
    let place = low;
    for (let i = low; i < high - 1; i += 1) {
      const id = ids[i] as number;
      const score = scores[id] as number;
      if (score < pivotScore || (score === pivotScore && id > pivot)) continue;
      ids[i] = ids[place] as number;
      ids[place] = id;
      place += 1;
    }
    ids[high - 1] = ids[place] as number;
    ids[place] = pivot;
    return place;
  }

  /**
   * An integer in [0, count): which pivot is tried changes the time and never the selection, so a plain generator (xorshift,
   * Marsaglia 2003) will do. A fixed pivot would be quadratic for some scores.
   */
  #nextBelow(count: number): number {
    let state = this.#pivotState;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#pivotState = state;
    return (state >>> 0) % count;
  }
}
