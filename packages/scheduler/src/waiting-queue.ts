import type { Sequence } from './sequence.ts';

/**
 * Sequences that wait for admission: highest priority first, then by `isBefore` (a preempted one keeps its arrival).
 * A binary heap whose members know their places, so that an abort takes one out of the middle.
 */
export class WaitingQueue {
  readonly #heap: Sequence[] = [];

  get count(): number {
    return this.#heap.length;
  }

  /** The next to be admitted. O(1). */
  first(): Sequence | undefined {
    return this.#heap[0];
  }

  /** O(log count). */
  push(sequence: Sequence): void {
    this.#heap.push(sequence);
    this.#rise(sequence, this.#heap.length - 1);
  }

  /** Effect: takes a member out, wherever it is. O(log count). */
  remove(sequence: Sequence): void {
    const last = this.#heap.pop();
    if (last === undefined || last === sequence) return;
    const place = sequence.queuePlace;
    if (this.#rise(last, place) === place) this.#sink(last, place);
  }

  /** The members, in no order; live, for checks. */
  members(): readonly Sequence[] {
    return this.#heap;
  }

  #rise(sequence: Sequence, from: number): number {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#heap[above]!;
      if (!isBefore(sequence, parent)) break;
      this.#put(parent, place);
      place = above;
    }
    this.#put(sequence, place);
    return place;
  }

  #sink(sequence: Sequence, from: number): void {
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.#heap.length) break;
      if (below + 1 < this.#heap.length && isBefore(this.#heap[below + 1]!, this.#heap[below]!)) below += 1;
      const child = this.#heap[below]!;
      if (!isBefore(child, sequence)) break;
      this.#put(child, place);
      place = below;
    }
    this.#put(sequence, place);
  }

  #put(sequence: Sequence, place: number): void {
    this.#heap[place] = sequence;
    sequence.queuePlace = place;
  }
}

/** Arrivals of one time: only within it may a sequence overtake an earlier one, so that nobody is overtaken for ever. */
export const OVERTAKING_ARRIVALS = 256;

/**
 * Higher priority; else, of one time of arrival, who has more pages of its prompt there: what is left of its prompt is short, and
 * customers of a page that was just computed get their first token before the next one is; else earlier arrival (ids grow with arrival). Total.
 */
export function isBefore(left: Sequence, right: Sequence): boolean {
  if (left.priority !== right.priority) return left.priority > right.priority;
  const time = Math.floor(left.id / OVERTAKING_ARRIVALS) - Math.floor(right.id / OVERTAKING_ARRIVALS);
  if (time !== 0) return time < 0;
  return left.foundPages === right.foundPages ? left.id < right.id : left.foundPages > right.foundPages;
}
