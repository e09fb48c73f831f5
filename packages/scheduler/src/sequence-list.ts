import type { Sequence } from './sequence.ts';

/**
 * A list that is filled anew in every step. An array whose length is set to 0 gives its memory up and takes new one; this keeps it.
 */
export class SequenceList {
  count = 0;
  readonly #places: (Sequence | undefined)[] = [];

  /** Precondition: `place` is below `count`. */
  at(place: number): Sequence {
    return this.#places[place]!;
  }

  push(sequence: Sequence): void {
    this.#places[this.count] = sequence;
    this.count += 1;
  }

  clear(): void {
    this.count = 0;
  }

  /** Effect: only the members that `keeps` stay, in their order. */
  filter(keeps: (sequence: Sequence) => boolean): void {
    const { count } = this;
    this.count = 0;
    for (let place = 0; place < count; place += 1) {
      const sequence = this.at(place);
      if (keeps(sequence)) this.push(sequence);
    }
  }
}
