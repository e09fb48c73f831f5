import type { CacheClock } from './cache-clock.ts';
import type { TermsBook } from './claim-terms.ts';
import type { HeldLeases } from './held-leases.ts';
import type { Int32Recycler } from './int32-recycler.ts';
import type { NoRoom } from './kv-cache.ts';
import type { Lifetimes } from './kv-lifetimes.ts';
import type { PagePool } from './page-pool.ts';
import type { Pins } from './pins.ts';
import type { PageRun, PrefixIndex } from './prefix-index.ts';
import type { PageId } from './units.ts';

/** What a cache is made of; every lease of it works on the same parts. */
export interface KvParts {
  readonly pageSize: number;
  readonly pool: PagePool;
  readonly index: PrefixIndex;
  readonly clock: CacheClock;
  readonly lifetimes: Lifetimes;
  readonly book: TermsBook;
  readonly pins: Pins;
  /** Lends page tables. */
  readonly tables: Int32Recycler;
  /** Filled before each publication, read within it. */
  readonly run: { -readonly [K in keyof PageRun]: PageRun[K] };
  readonly leases: HeldLeases;
}

/** The run that publications are described with, one after the other. */
export function emptyRun(): PageRun {
  const [tokens, table] = [new Uint32Array(0), new Int32Array(0)];
  return { tokens, table, firstPage: 0, endPage: 0, salt: '', terms: undefined, keepsOwn: false, storedTokens: 0 };
}

/** Pages that can be had by taking free ones and evicting. Pure, O(1). */
export function roomOf(parts: KvParts): number {
  return parts.pool.freePages + parts.index.evictablePages;
}

/** The refusal, with both numbers. */
export function noRoom(neededPages: number, availablePages: number): NoRoom {
  return { ok: false, reason: 'no-room', neededPages, availablePages: Math.max(0, availablePages) };
}

/** A private page, evicting one when none is free. Precondition: `roomOf` > 0. O(1). */
export function takePage(parts: KvParts): PageId {
  if (parts.pool.freePages === 0) parts.index.evict();
  return parts.pool.alloc();
}
