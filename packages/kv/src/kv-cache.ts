/**
 * What a scheduler sees of the cache: it acquires a lease for a prompt, extends it while tokens are computed,
 * publishes full pages after their bytes are written, and releases it exactly once.
 *
 * Nothing here knows bytes, layers, text or time. Everything is synchronous and deterministic.
 */
import type { PageId } from './units.ts';

/**
 * Why the first token that had to be computed was not found. `none`: all but the last token was found. `cold`: never there, or forgotten.
 * `evicted`: it was there until it had to make room; also when the page to copy from was given up because nothing else was left.
 */
export type MissReason = 'none' | 'cold' | 'evicted' | 'bypass';

/** How a request uses the cache. `bypass` neither matches nor publishes: its pages stay private to the end. */
export type CacheMode = 'share' | 'bypass';

/** Rows [0, tokens) of page `from` have to be copied into page `to`, in every layer, before the next run. */
export interface PageCopy {
  readonly from: PageId;
  readonly to: PageId;
  readonly tokens: number;
}

/** No room: an expected answer, not an error. */
export interface NoRoom {
  readonly ok: false;
  readonly reason: 'no-room';
  /** Pages that had to be allocated. */
  readonly neededPages: number;
  /** Pages that were free or evictable, less what had to be kept. */
  readonly availablePages: number;
}

export interface AcquireRequest {
  /** [>= tokenCount] Token ids; only the first `tokenCount` are read, and none is kept by reference. */
  readonly tokens: Uint32Array;
  readonly tokenCount: number;
  /** Namespace: different salts never share a page. */
  readonly salt: string;
  readonly mode: CacheMode;
  /** The page table must reach this many tokens at once (at least matched + 1 and at most what is clipped to `tokenCount`). */
  readonly roomTokens: number;
  /** Pages that must stay free or evictable after this acquisition (the scheduler's watermark). */
  readonly keepPages: number;
}

export type AcquireResult = { readonly ok: true; readonly lease: KvLease } | NoRoom;
export type ForkResult = { readonly ok: true; readonly lease: KvLease; readonly copies: readonly PageCopy[] } | NoRoom;
export type ExtendResult = { readonly ok: true } | NoRoom;

/** What a probe found; nothing is locked and nothing is touched. */
export interface Match {
  /** Leading tokens whose K/V is published, at most tokenCount - 1 (the last one is always computed). */
  readonly matchedTokens: number;
  readonly missReason: MissReason;
}

/**
 * What one sequence holds: a lock on its published prefix, and private pages. Every method throws
 * `KvError('LEASE_RELEASED')` after `release`.
 */
export interface KvLease {
  /** Tokens that were reused when the lease was acquired (full pages + copied rows). */
  readonly matchedTokens: number;
  readonly missReason: MissReason;
  /** [>= pageCount] Ordered pages; a view that stays valid until the next `tryExtend` or `publish`. */
  readonly pageTable: Int32Array;
  readonly pageCount: number;
  /** Leading pages of the table that are published or detached, so read-only. */
  readonly sharedPages: number;
  /** Copies that the executor has still to perform; their sources are locked until `transferred()`. Empty when none. */
  readonly copies: readonly PageCopy[];

  /** Makes the page table reach `tokens` tokens, evicting if need be. All or nothing. O(pages added + evicted). */
  tryExtend(tokens: number): ExtendResult;
  /**
   * Says that the pending copies were performed; unlocks their sources. In a commit, call it for all leases before any publishes:
   * a page that a fork has still to copy from is not published (or sealed) until then.
   */
  transferred(): void;
  /**
   * Puts every page that the first `writtenTokens` tokens fill completely into the index (written, then published).
   * A page that another lease published first is swapped for that one in the table, then freed. O(pages newly published).
   * Does nothing for a lease that bypasses, or whose path was detached. Throws `COPIES_PENDING` before `transferred()`, `INVALID_TOKENS`
   * beyond the page table or the tokens.
   */
  publish(tokens: Uint32Array, writtenTokens: number): void;
  /**
   * Publishes, then seals the partly filled tail page, so that a later prompt reuses it to the token. Not stored when a published page begins
   * with the same tokens. No further extension: `LEASE_SEALED`.
   */
  seal(tokens: Uint32Array, writtenTokens: number): void;
  /**
   * A second lease over the same tokens, which must cover all published ones: full pages are published (or detached, when this lease
   * publishes nothing) and shared, the partly filled one is copied, so the copies are pending on the new lease. O(pages).
   */
  fork(tokens: Uint32Array, writtenTokens: number): ForkResult;
  /** Gives everything back: private pages are freed, published ones stay cached, tail before head in eviction order. O(pages). */
  release(): void;
}

export interface KvStats {
  /** Allocatable pages (without the null page). */
  readonly totalPages: number;
  readonly freePages: number;
  readonly privatePages: number;
  readonly publishedPages: number;
  readonly detachedPages: number;
  /** Published pages that no lease locks. */
  readonly evictablePages: number;
  readonly leases: number;
  readonly nodes: number;
  readonly evictedPages: number;
  /** Tokens asked for and found since the start (in tokens, over all acquisitions that were granted). */
  readonly queriedTokens: number;
  readonly hitTokens: number;
  readonly misses: Readonly<Record<MissReason, number>>;
}

export interface KvOptions {
  /** Pages in the pool, the null page included; at least 2. */
  readonly pages: number;
  /** Tokens a page, at least 1. */
  readonly pageSize: number;
  /** `linear` is the naive index: the oracle of the tests and the ablation of the benches. Default `radix`. */
  readonly index?: 'radix' | 'linear';
  /** Evicted pages that are remembered to explain misses. Default 4 x pages. */
  readonly ghostEntries?: number;
}

/** The cache. */
export interface KvCache {
  readonly pages: number;
  readonly pageSize: number;
  readonly freePages: number;
  readonly evictablePages: number;
  /** Longest published prefix. Effect: none. O(matched tokens + log children a node). */
  match(tokens: Uint32Array, tokenCount: number, salt: string): Match;
  /**
   * Matches, locks, then counts room, and undoes in reverse when it refuses (what it matched counts as used now all the same). When only the page to
   * copy rows from stands in the way, its rows are computed instead of copied: an idle cache takes whatever fits into the pool at all.
   * O(matched tokens + pages). Throws `INVALID_REQUEST`.
   */
  acquire(request: AcquireRequest): AcquireResult;
  /** Takes every entry (of one salt) out of the index: unlocked pages are freed, locked ones are detached. Returns pages that left. */
  clear(salt?: string): number;
  stats(): KvStats;
}
