/**
 * Commits the memory of the pools ahead of their first use. The system gives a pool's memory out 4 KiB at a time, each at its first write; in a
 * virtual machine whose host is as lazy, that takes some 20 us each time, which the first prompts of an engine would pay.
 *
 *     pages     0 .. n | n .. 2n | ...      in the order in which a pool hands them out, so that a part that is done helps already
 *     of each   layer 0: K: head 0, head 1, ... | V: ..., layer 1: ...
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import { pageBytesOf } from './page-bytes.ts';
import type { PageStore } from './page-store.ts';

/** How long whoever asks something of an engine that commits may have to wait. */
export const SLICE_MS = 2;

/** The smallest that a system gives out; where it gives out more at once, the other writes cost nothing. */
const SYSTEM_PAGE_BYTES = 4096;

/** Writes between two looks at the clock: a quarter of a millisecond where they are slow. */
const WRITES_A_LOOK = 16;

export interface CommitParts {
  readonly store: PageStore;
  readonly clock: Clock;
  /** Bytes that the system could still give out. */
  readonly availableBytes: () => number;
}

export class CommitAhead {
  readonly #parts: CommitParts;
  readonly #writes: Iterator<void>;
  /** The first page that is not committed yet. */
  #page = 0;
  #isDone = false;

  constructor(parts: CommitParts) {
    this.#parts = parts;
    this.#writes = this.#writeAll();
  }

  /** There is nothing more to do: all is committed, or the rest was given up. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Bytes of pages that are not committed yet. */
  get leftBytes(): number {
    const { layout } = this.#parts.store;
    return (layout.pages - this.#page) * pageBytesOf(layout);
  }

  /**
   * Commits for about `SLICE_MS`, unless what is left would take more than half of the memory that the system could still give out: then the
   * rest is given up for good, and is committed as pages are used. Effect on memory only: every byte keeps its value.
   */
  trySlice(): void {
    if (this.leftBytes > this.#parts.availableBytes() / 2) this.#isDone = true;
    if (!this.#isDone) this.#slice();
  }

  /** Resolves when everything is committed; the event loop has its turns in between. */
  async all(): Promise<void> {
    while (!this.#isDone) {
      this.#slice();
      await nextTurn();
    }
  }

  #slice(): void {
    const endMs = this.#parts.clock() + SLICE_MS;
    do {
      for (let write = 0; write < WRITES_A_LOOK && !this.#isDone; write += 1) {
        this.#isDone = this.#writes.next().done === true;
      }
    } while (!this.#isDone && this.#parts.clock() < endMs);
  }

  /** One write between two yields. */
  *#writeAll(): Generator<void> {
    const { layout, keys, values } = this.#parts.store;
    const { pages, pageSize, layers, kvHeads, poolRows } = layout;
    const columns = Array.from({ length: layers }, (_, layer) =>
      [keys, values].flatMap(({ elements, scales }) =>
        [elements[layer], scales[layer]].filter((it) => it !== undefined),
      ),
    )
      .flat()
      .map((column) => new Uint8Array(column.buffer));
    // As many pages at a time as fill what the system gives out with one head's rows.
    const headBytes = Math.max(...columns.map(({ length }) => (length / poolRows) * pageSize));
    const stretch = Math.ceil(SYSTEM_PAGE_BYTES / headBytes);
    for (; this.#page < pages; this.#page += Math.min(stretch, pages - this.#page)) {
      const end = Math.min(this.#page + stretch, pages);
      for (const bytes of columns) {
        const rowBytes = bytes.length / poolRows;
        for (let head = 0; head < kvHeads; head += 1) {
          const from = layout.rowNumber(head, layout.firstSlot(this.#page)) * rowBytes;
          const last = layout.rowNumber(head, layout.firstSlot(end)) * rowBytes - 1;
          for (let at = from - (from % SYSTEM_PAGE_BYTES); at <= last; at += SYSTEM_PAGE_BYTES) {
            rewrite(bytes, at);
            yield;
          }
          // A pool does not begin where a page of the system does, so its end may lie in one more.
          rewrite(bytes, last);
        }
      }
    }
  }
}

/** Writes a byte over itself. Atomics, since a plain store of what was just read is nothing that a compiler has to keep. */
function rewrite(bytes: Uint8Array, at: number): void {
  Atomics.or(bytes, at, 0);
}
