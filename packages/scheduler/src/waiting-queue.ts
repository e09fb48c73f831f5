import type { Sequence } from './sequence.ts';

/**
 * Sequences that wait for admission: highest priority first, then first come, first served (a preempted one keeps its arrival).
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

/** Higher priority, else earlier arrival (ids grow with arrival). Total. */
export function isBefore(left: Sequence, right: Sequence): boolean {
  return left.priority === right.priority ? left.id < right.id : left.priority > right.priority;
}
