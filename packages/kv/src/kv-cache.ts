/**
 * What a scheduler sees of the cache: it acquires a lease for a prompt, extends it while tokens are computed,
 * publishes full pages after their bytes are written, and releases it exactly once.
 *
 * Nothing here knows bytes, layers or text, and time only as a clock that is passed in. Everything is synchronous and deterministic.
 */
import type {
  Breakpoint,
  CacheEntry,
  CacheWalk,
  ClaimOptions,
  Invalidation,
  InvalidationTarget,
  KvEvents,
  LifetimeDefaults,
  PinId,
  PinRequest,
  PinResult,
  PrefixSavings,
  RestoreRequest,
  RestoreResult,
} from './lifetimes.ts';
import type { PageId } from './units.ts';

/**
 * Why the first token that had to be computed was not found. `none`: all but the last token was found. `cold`: never there, or forgotten.
 * `evicted`: it was there until it had to make room; also when the page to copy from was given up because nothing else was left.
 * `expired`: its time was over. `invalidated`: its claims were ended by request, with their session, context or tag.
 * Only the own salt's past is told, never another's.
 */
export type MissReason = 'none' | 'cold' | 'evicted' | 'expired' | 'invalidated' | 'bypass';

/**
 * How a request uses the cache. `use-only` matches and stores nothing. `bypass` neither matches nor stores: its pages stay private to
 * the end.
 */
export type CacheMode = 'share' | 'use-only' | 'bypass';

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
  /** How long what it stores will stay. Default: until it is evicted, or as `LifetimeDefaults` say. */
  readonly claim?: ClaimOptions;
  /** [rising positions] Nothing behind the last one is stored. Default: everything is. */
  readonly breakpoints?: readonly Breakpoint[];
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
  /** Tokens of pages that this lease put into the index: those that others had published before are not counted. */
  readonly storedTokens: number;
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
   * Does nothing for a lease that stores nothing, whose claim was ended, or whose path was detached. Throws `COPIES_PENDING` before `transferred()`, `INVALID_TOKENS`
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
  /** Published pages that no lease locks and no pin covers: merely cached. */
  readonly evictablePages: number;
  /** Published pages under a pin. */
  readonly pinnedPages: number;
  /** Pages that leases hold. */
  readonly heldPages: number;
  /** Pages that at least two page tables hold. */
  readonly sharedPages: number;
  readonly leases: number;
  readonly nodes: number;
  readonly claims: number;
  readonly sessions: number;
  /** Different tags of all claims. */
  readonly tags: number;
  readonly pins: number;
  readonly evictedPages: number;
  /** Pages that left because no claim covered them any more (expired or invalidated), or with their salt. */
  readonly removedPages: number;
  readonly endedClaims: number;
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
  /** Pages that left and are remembered to explain misses. Default 4 x pages. */
  readonly ghostEntries?: number;
  /** Milliseconds, from anywhere, not falling. Needed for whatever ends by time. Read at the start of operations. */
  readonly clock?: () => number;
  /** Pages that may be pinned at once. Default 0: every pin is refused. */
  readonly pinBudgetPages?: number;
  readonly lifetimes?: LifetimeDefaults;
  /** Events that can be replayed. Default 1,024. */
  readonly eventBuffer?: number;
}

/** The cache. */
export interface KvCache {
  readonly pages: number;
  readonly pageSize: number;
  readonly freePages: number;
  readonly evictablePages: number;
  /** Pages that pins may take at most; never more than all but one. */
  readonly pinBudgetPages: number;
  readonly events: KvEvents;
  /** Longest published prefix. Effect: none. O(matched tokens + log children a node). */
  match(tokens: Uint32Array, tokenCount: number, salt: string): Match;
  /**
   * Matches, locks, then counts room, and undoes in reverse when it refuses (what it matched counts as used now all the same). When only the page to
   * copy rows from stands in the way, its rows are computed instead of copied: an idle cache takes whatever fits into the pool at all.
   * O(matched tokens + pages). Throws `INVALID_REQUEST`.
   */
  acquire(request: AcquireRequest): AcquireResult;
  /**
   * Takes every entry (of one salt) out of the index, as if it had never been there: unlocked pages are freed, locked ones are detached. Returns
   * pages that left.
   */
  clear(salt?: string): number;
  /**
   * Ends claims whose time has come, and closes idle sessions; a bounded amount of work, so call it once a step. Nothing that has expired is
   * found meanwhile, however late this is. Returns how many claims ended.
   */
  expire(): number;
  /** Has the last `expire` left something for the next one? Pure, O(1); as of the last operation that looked at the clock. */
  readonly isExpiryBehind: boolean;
  /** Ends the claims that fit the target, those of running requests included. O(claims x depth + pages that leave). */
  invalidate(target: InvalidationTarget): Invalidation;
  /** `invalidate` for a session that is over. */
  closeSession(session: string, salt?: string): Invalidation;
  /** Promises that a published prefix is not evicted, as far as the budget goes. O(matched tokens + depth). */
  pin(request: PinRequest): PinResult;
  /** Ends a pin; its pages are merely cached if another claim covers them, else they leave. False: it has ended already. */
  unpin(pin: PinId): boolean;
  /** All entries, parents before children, copied one by one: the cache must not change meanwhile. O(nodes + tokens). */
  entries(): Iterable<CacheEntry>;
  /** The same a piece at a time, while the cache goes on. */
  walk(): CacheWalk;
  /** Throws INVALID_REQUEST for what `acquire` would not take of a request. Pure. */
  assertLifetime(request: Pick<AcquireRequest, 'claim' | 'breakpoints'>): void;
  /** Prefixes that saved most tokens, the most useful first. O(nodes). */
  topPrefixes(limit: number): readonly PrefixSavings[];
  /** Takes pages for a path that was in a cache before, to be published once their bytes are there. O(tokens). */
  restore(request: RestoreRequest): RestoreResult;
  stats(): KvStats;
}
