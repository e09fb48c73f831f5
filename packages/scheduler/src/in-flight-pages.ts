import { grownInt32, NO_INT32 } from './columns.ts';
import type { Sequence } from './sequence.ts';

/** Ends a chain. */
const NONE = -1;

/**
 * Prompt pages that running sequences are going to publish: digest -> (producer, page), several of one digest allowed.
 * A chained hash table in columns, so that registering a page makes no object.
 */
export class InFlightPages {
  count = 0;
  #buckets = new Int32Array(64).fill(NONE);
  #next = NO_INT32;
  #digest = NO_INT32;
  #page = NO_INT32;
  readonly #owner: (Sequence | undefined)[] = [];
  #free = NONE;
  #used = 0;

  /** O(1) amortised. */
  add(digest: number, owner: Sequence, page: number): void {
    if (this.count >= this.#buckets.length) this.#rehash();
    const entry = this.#take();
    const bucket = this.#bucketOf(digest);
    this.#digest[entry] = digest;
    this.#page[entry] = page;
    this.#owner[entry] = owner;
    this.#next[entry] = this.#buckets[bucket]!;
    this.#buckets[bucket] = entry;
    this.count += 1;
  }

  /** Effect: takes out the entry of `owner` and `page`, if it is there. O(1) expected. */
  remove(digest: number, owner: Sequence, page: number): void {
    const bucket = this.#bucketOf(digest);
    let before = NONE;
    for (let entry = this.#buckets[bucket]!; entry !== NONE; entry = this.#next[entry]!) {
      if (this.#owner[entry] === owner && this.#page[entry] === page) {
        if (before === NONE) this.#buckets[bucket] = this.#next[entry]!;
        else this.#next[before] = this.#next[entry]!;
        this.#give(entry);
        return;
      }
      before = entry;
    }
  }

  /** A producer of `page` whose digest agrees and whom `isSame` confirms. */
  find(digest: number, page: number, isSame: (owner: Sequence) => boolean): Sequence | undefined {
    for (let entry = this.#buckets[this.#bucketOf(digest)]!; entry !== NONE; entry = this.#next[entry]!) {
      if (this.#digest[entry] !== digest || this.#page[entry] !== page) continue;
      const owner = this.#owner[entry];
      if (owner !== undefined && isSame(owner)) return owner;
    }
    return undefined;
  }

  #bucketOf(digest: number): number {
    return digest & (this.#buckets.length - 1);
  }

  #take(): number {
    const entry = this.#free;
    if (entry !== NONE) {
      this.#free = this.#next[entry]!;
      return entry;
    }
    this.#used += 1;
    this.#next = grownInt32(this.#next, this.#used);
    this.#digest = grownInt32(this.#digest, this.#used);
    this.#page = grownInt32(this.#page, this.#used);
    return this.#used - 1;
  }

  #give(entry: number): void {
    this.#owner[entry] = undefined;
    this.#next[entry] = this.#free;
    this.#free = entry;
    this.count -= 1;
  }

  #rehash(): void {
    this.#buckets = new Int32Array(this.#buckets.length * 2).fill(NONE);
    for (let entry = 0; entry < this.#used; entry += 1) {
      if (this.#owner[entry] === undefined) continue;
      const bucket = this.#bucketOf(this.#digest[entry]!);
      this.#next[entry] = this.#buckets[bucket]!;
      this.#buckets[bucket] = entry;
    }
  }
}
