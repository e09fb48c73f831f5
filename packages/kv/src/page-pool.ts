import { KvError } from './errors.ts';
import { INTERNALS } from './internals.ts';
import { POOL_ERRORS } from './pool-errors.ts';
import { NULL_PAGE, type PageId } from './units.ts';

/**
 * Where a page is. `free`: unused. `private`: one page table writes it. `published`: immutable and indexed.
 * `detached`: immutable, not indexed, freed by its last holder.
 */
export type PageState = 'free' | 'private' | 'published' | 'detached';

/** Values of the state column. The null page has a value of its own, so that it is in none of the four states. */
export const PAGE_STATES = { free: 0, private: 1, published: 2, detached: 3, null: 4 } as const;
const { free: FREE, private: PRIVATE, published: PUBLISHED, detached: DETACHED } = PAGE_STATES;
const STATE_NAMES: readonly PageState[] = ['free', 'private', 'published', 'detached'];

/** The raw columns, for the checker. */
export interface PoolColumns {
  /** [pages] values of `PAGE_STATES` */
  readonly states: Uint8Array;
  /** [pages] page tables that hold the page + transfers that read it */
  readonly references: Int32Array;
  /** [pages] the first `freePages` elements are the free pages, the next one to be allocated last */
  readonly freeStack: Int32Array;
  /** [pages] place of a free page in `freeStack`, -1 for the others */
  readonly freeAt: Int32Array;
  /** [5] pages in each state, as kept */
  readonly stateCounts: Int32Array;
}

/**
 * Bookkeeping of all pages: state, reference count and free list, in columns. Pages are integers; nothing is allocated
 * after construction and every operation is O(1). Int32 suffices: a pool has fewer than 2^31 pages and leases.
 *
 *     free --alloc--> private --publish--> published --unpublish--> free (nobody holds it) or detached
 *                     private --detach, or release while a transfer reads it--> detached --last release--> free
 *                     private --last release--> free
 */
export class PagePool {
  /** Pages of the pool, the null page included. */
  readonly pages: number;
  readonly #states: Uint8Array;
  readonly #references: Int32Array;
  readonly #freeStack: Int32Array;
  readonly #freeAt: Int32Array;
  readonly #stateCounts = new Int32Array(5);
  /** Pages with a reference count of at least 1, and of at least 2. */
  heldPages = 0;
  sharedPages = 0;

  /** @param pages all pages, the null page included; at least 2. Allocation starts with page 1. */
  constructor(pages: number) {
    if (!Number.isInteger(pages) || pages < 2) {
      throw new KvError('INVALID_OPTIONS', `A pool needs at least 2 pages (one is the null page), not ${pages}.`);
    }
    this.pages = pages;
    this.#states = new Uint8Array(pages);
    this.#references = new Int32Array(pages);
    this.#freeStack = new Int32Array(pages);
    this.#freeAt = new Int32Array(pages);
    for (let page = 1; page < pages; page++) {
      this.#freeStack[pages - 1 - page] = page;
      this.#freeAt[page] = pages - 1 - page;
    }
    this.#states[NULL_PAGE] = PAGE_STATES.null;
    this.#freeAt[NULL_PAGE] = -1;
    this.#stateCounts[FREE] = pages - 1;
    this.#stateCounts[PAGE_STATES.null] = 1;
  }

  get freePages(): number {
    return this.#stateCounts[FREE] as number;
  }

  /** Pages in one state. Pure, O(1). */
  count(state: PageState): number {
    return this.#stateCounts[PAGE_STATES[state]] as number;
  }

  /** State of a page. Pure, O(1). */
  state(page: PageId): PageState {
    this.#assertKnown(page);
    return STATE_NAMES[this.#states[page] as number] as PageState;
  }

  /** Page tables that hold the page + transfers that read it. Pure, O(1). */
  references(page: PageId): number {
    this.#assertKnown(page);
    return this.#references[page] as number;
  }

  /** Takes a free page for one page table. Throws POOL_EMPTY: count room first. O(1). */
  alloc(): PageId {
    const place = (this.#stateCounts[FREE] as number) - 1;
    if (place < 0) throw POOL_ERRORS.empty(this.pages);
    const page = this.#freeStack[place] as PageId;
    this.#freeAt[page] = -1;
    this.#references[page] = 1;
    this.heldPages++;
    this.#move(page, FREE, PRIVATE);
    return page;
  }

  /** One more page table holds a page that nobody writes. O(1). */
  retain(page: PageId): void {
    this.#assertUsed(page);
    if (this.#states[page] === PRIVATE) throw POOL_ERRORS.shared(page);
    this.#addReference(page);
  }

  /** A page table lets go of a page; a private page that a transfer still reads becomes detached. O(1). */
  release(page: PageId): void {
    const left = this.#dropReference(page);
    const state = this.#states[page];
    if (state === PUBLISHED) return;
    if (left === 0) this.#free(page);
    else if (state === PRIVATE) this.#move(page, PRIVATE, DETACHED);
  }

  /** A transfer will read the page, whatever its state. O(1). */
  startTransfer(page: PageId): void {
    this.#assertUsed(page);
    this.#addReference(page);
  }

  /** The transfer was performed or given up. O(1). */
  endTransfer(page: PageId): void {
    if (this.#dropReference(page) === 0 && this.#states[page] !== PUBLISHED) this.#free(page);
  }

  /** private -> published. O(1). */
  publish(page: PageId): void {
    this.#assertState(page, PRIVATE);
    this.#move(page, PRIVATE, PUBLISHED);
  }

  /** published -> free, or detached while somebody holds it. O(1). */
  unpublish(page: PageId): void {
    this.#assertState(page, PUBLISHED);
    if (this.#references[page] === 0) this.#free(page);
    else this.#move(page, PUBLISHED, DETACHED);
  }

  /** private -> detached: its table promises not to write it again, so that others may share it. O(1). */
  detach(page: PageId): void {
    this.#assertState(page, PRIVATE);
    this.#move(page, PRIVATE, DETACHED);
  }

  /** The raw columns. Not for callers: see `internals.ts`. */
  [INTERNALS](): PoolColumns {
    return {
      states: this.#states,
      references: this.#references,
      freeStack: this.#freeStack,
      freeAt: this.#freeAt,
      stateCounts: this.#stateCounts,
    };
  }

  #addReference(page: PageId): void {
    const count = (this.#references[page] as number) + 1;
    this.#references[page] = count;
    if (count === 1) this.heldPages++;
    if (count === 2) this.sharedPages++;
  }

  #dropReference(page: PageId): number {
    this.#assertKnown(page);
    const left = (this.#references[page] as number) - 1;
    if (left === 1) this.sharedPages--;
    if (left === 0) this.heldPages--;
    if (left < 0) throw POOL_ERRORS.doubleFree(page);
    this.#references[page] = left;
    return left;
  }

  #free(page: PageId): void {
    const place = this.#stateCounts[FREE] as number;
    this.#freeStack[place] = page;
    this.#freeAt[page] = place;
    this.#move(page, this.#states[page] as number, FREE);
  }

  #move(page: PageId, from: number, to: number): void {
    const counts = this.#stateCounts;
    counts[from] = (counts[from] as number) - 1;
    counts[to] = (counts[to] as number) + 1;
    this.#states[page] = to;
  }

  #assertState(page: PageId, expected: number): void {
    this.#assertKnown(page);
    if (this.#states[page] !== expected)
      throw POOL_ERRORS.state(page, this.state(page), STATE_NAMES[expected] ?? 'null');
  }

  #assertUsed(page: PageId): void {
    this.#assertKnown(page);
    if (this.#states[page] === FREE) throw POOL_ERRORS.freed(page);
  }

  #assertKnown(page: PageId): void {
    if (!(page > NULL_PAGE && page < this.pages && (page | 0) === page)) {
      throw POOL_ERRORS.unknown(page, this.pages);
    }
  }
}
