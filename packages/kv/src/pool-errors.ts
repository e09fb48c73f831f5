import { InvariantBroken, KvError } from './errors.ts';
import type { PageId } from './units.ts';

/**
 * What goes wrong with a pool, each as the error that says so. Apart from the operations: with the sentences in them, these grow so large
 * that the compiler does not put them into their callers, and each page number that is passed on becomes an object.
 */
export const POOL_ERRORS = {
  empty: (pages: number) =>
    new KvError('POOL_EMPTY', `All ${pages - 1} pages are in use; evict or release some first.`),
  unknown: (page: PageId, pages: number) => new KvError('PAGE_UNKNOWN', `Page ${page} is not in [1, ${pages}).`),
  doubleFree: (page: PageId) =>
    new KvError('PAGE_DOUBLE_FREE', `Page ${page} was given back more often than it was held.`),
  freed: (page: PageId) => new KvError('PAGE_FREED', `Page ${page} is free and cannot be held.`),
  shared: (page: PageId) => new InvariantBroken(6, `private page ${page} would be in two page tables`),
  state: (page: PageId, state: string, expected: string) =>
    new InvariantBroken(1, `page ${page} is ${state}, expected ${expected}`),
};
