/**
 * One page of a store as one run of bytes, and back: for files, disks and other machines.
 *
 *     layer 0: K | V, layer 1: K | V, ...      K and V: for each head [pageSize, headDim] elements, and for int8 [pageSize] scales
 */
import type { PageElements } from './page-elements.ts';
import { bytesPerToken, type PageLayout } from './page-layout.ts';
import type { PageStore } from './page-store.ts';

/** A run of a pool that belongs to one head of one page: rows that lie one after the other. */
interface PageRun {
  readonly pool: PageElements;
  /** First element. */
  readonly start: number;
  /** Elements of one token. */
  readonly rowElements: number;
}

/** Bytes of a page of this layout. Pure. */
export function pageBytesOf(layout: PageLayout): number {
  return layout.pageSize * bytesPerToken(layout, layout.kvType);
}

/**
 * Effect: the first `tokens` rows of a page are in `into` [pageBytesOf], and zeros for the others: what was in those rows before may
 * belong to somebody else. O(bytes of the page).
 */
export function readPageBytes(store: PageStore, page: number, tokens: number, into: Uint8Array): void {
  into.fill(0);
  let at = 0;
  for (const { pool, start, rowElements } of runsOf(store, page)) {
    const { BYTES_PER_ELEMENT: width } = pool;
    const bytes = new Uint8Array(pool.buffer, pool.byteOffset + start * width, tokens * rowElements * width);
    into.set(bytes, at);
    at += store.layout.pageSize * rowElements * width;
  }
}

/** Effect: all rows of a page are those of `from` [pageBytesOf]. The page must be private. O(bytes of the page). */
export function writePageBytes(store: PageStore, page: number, from: Uint8Array): void {
  store.wrote(page);
  let at = 0;
  for (const { pool, start, rowElements } of runsOf(store, page)) {
    const { BYTES_PER_ELEMENT: width } = pool;
    const count = store.layout.pageSize * rowElements * width;
    new Uint8Array(pool.buffer, pool.byteOffset + start * width, count).set(from.subarray(at, at + count));
    at += count;
  }
}

function* runsOf({ layout, keys, values }: PageStore, page: number): Generator<PageRun> {
  const slot = layout.firstSlot(page);
  for (let layer = 0; layer < layout.layers; layer += 1) {
    for (const { elements, scales } of [keys, values]) {
      const pool = elements[layer] as PageElements;
      const ofRows = scales[layer];
      for (let head = 0; head < layout.kvHeads; head += 1) {
        yield { pool, start: layout.rowAt(head, slot), rowElements: layout.headDim };
        if (ofRows) yield { pool: ofRows, start: layout.rowNumber(head, slot), rowElements: 1 };
      }
    }
  }
}
