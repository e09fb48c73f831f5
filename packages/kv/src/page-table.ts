import { type KvParts, takePage } from './kv-parts.ts';
import type { NodeId, PageId } from './units.ts';

/**
 * The ordered pages of one sequence.
 *
 *     array   | 4 | 12 | 9 | 7 | 3 | - | - | - |      pageCount = 5
 *             | shared     | private               sharedPages = 3: published or detached, so read-only
 */
export class PageTable {
  /** [>= pageCount]; replaced when it grows. */
  array: Int32Array;
  pageCount = 0;
  sharedPages = 0;
  readonly #parts: KvParts;

  /** @param expectedPages pages that it will be able to hold without growing. */
  constructor(parts: KvParts, expectedPages: number) {
    this.#parts = parts;
    this.array = parts.tables.take(expectedPages);
  }

  page(place: number): PageId {
    return this.array[place] as PageId;
  }

  /** Appends private pages, evicting if need be. Precondition: room was counted. O(count). */
  take(count: number): void {
    this.#reserve(this.pageCount + count);
    for (let left = count; left > 0; left--) this.array[this.pageCount++] = takePage(this.#parts);
  }

  /** Starts an empty table with `pages` pages that others hold too, those of the path to a node. O(pages). */
  sharePath(node: NodeId, pages: number): void {
    this.#reserve(pages);
    this.#parts.index.readPath(node, this.array);
    this.#retainAll(pages);
  }

  /** Starts an empty table with the first `pages` pages of another, none of them private. O(pages). */
  shareFrom(other: PageTable, pages: number): void {
    this.#reserve(pages);
    for (let place = 0; place < pages; place++) this.array[place] = other.array[place] as number;
    this.#retainAll(pages);
  }

  /** Makes the private ones of the first `pages` pages immutable without publishing them, so that two tables may hold them. O(pages). */
  detachUpTo(pages: number): void {
    for (; this.sharedPages < pages; this.sharedPages++) this.#parts.pool.detach(this.page(this.sharedPages));
  }

  /** Lets go of all pages, the last one first, and gives the array back. O(pages). */
  release(): void {
    for (let place = this.pageCount - 1; place >= 0; place--) this.#parts.pool.release(this.page(place));
    this.#parts.tables.give(this.array);
  }

  #retainAll(pages: number): void {
    for (let place = 0; place < pages; place++) this.#parts.pool.retain(this.page(place));
    this.pageCount = pages;
    this.sharedPages = pages;
  }

  #reserve(pages: number): void {
    if (pages > this.array.length) this.array = this.#parts.tables.grow(this.array, this.pageCount, pages);
  }
}
