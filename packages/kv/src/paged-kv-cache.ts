import { CacheClock } from './cache-clock.ts';
import { TermsBook } from './claim-terms.ts';
import { ClaimWalk } from './claim-walk.ts';
import { entriesOf } from './entries.ts';
import { KvError } from './errors.ts';
import { HeldLeases } from './held-leases.ts';
import { Int32Recycler } from './int32-recycler.ts';
import { INTERNALS } from './internals.ts';
import type { AcquireRequest, AcquireResult, KvCache, KvOptions, KvStats, Match, MissReason } from './kv-cache.ts';
import { EventLog } from './kv-events.ts';
import { Lifetimes } from './kv-lifetimes.ts';
import { emptyRun, type KvParts, noRoom, roomOf } from './kv-parts.ts';
import {
  assertLifetime,
  assertOptions,
  assertPin,
  assertPrompt,
  assertRequest,
  assertRestore,
  assertTarget,
} from './kv-validation.ts';
import type {
  CacheEntry,
  CacheWalk,
  Invalidation,
  InvalidationTarget,
  KvEvents,
  PinId,
  PinRequest,
  PinResult,
  PrefixSavings,
  RestoreRequest,
  RestoreResult,
} from './lifetimes.ts';
import { LinearIndex } from './linear-index.ts';
import { occupancyOf } from './occupancy.ts';
import { PageLease } from './page-lease.ts';
import { PagePool } from './page-pool.ts';
import { Pins } from './pins.ts';
import type { LockedMatch } from './prefix-index.ts';
import { RadixIndex } from './radix-index.ts';
import { restorePath } from './restoration.ts';
import { type NodeId, NULL_PAGE, pagesFor } from './units.ts';

/** A locked match, or that a request bypasses the index. */
type FoundPages = Omit<LockedMatch, 'endNode' | 'lockNode'> & {
  readonly endNode: NodeId | undefined;
  readonly lockNode: NodeId | undefined;
};

// Given up for room: to the request it is as if the page had been evicted just before.
const NO_SOURCE = { sourcePage: NULL_PAGE, sourceTokens: 0, missReason: 'evicted' } as const;

const BYPASSED: FoundPages = {
  ...NO_SOURCE,
  endNode: undefined,
  lockNode: undefined,
  matchedPages: 0,
  missReason: 'bypass',
};

/** Page pool, prefix index and leases behind one interface. */
export class PagedKvCache implements KvCache {
  readonly pages: number;
  readonly pageSize: number;
  readonly #parts: KvParts;
  readonly #book = new TermsBook();
  readonly #events: EventLog;
  readonly #pins: Pins;
  readonly #hasClock: boolean;
  readonly #misses: Record<MissReason, number> = {
    none: 0,
    cold: 0,
    evicted: 0,
    expired: 0,
    invalidated: 0,
    bypass: 0,
  };
  #queriedTokens = 0;
  #hitTokens = 0;

  constructor(options: KvOptions) {
    assertOptions(options);
    const { pages, pageSize, ghostEntries = 4 * pages, pinBudgetPages = 0, eventBuffer = 1_024 } = options;
    this.pages = pages;
    this.pageSize = pageSize;
    this.#hasClock = options.clock !== undefined;
    const book = this.#book;
    const events = new EventLog(eventBuffer);
    const pins = new Pins(pinBudgetPages, book, events);
    const clock = new CacheClock(options.clock);
    const pool = new PagePool(pages);
    const Index = options.index === 'linear' ? LinearIndex : RadixIndex;
    const pinEnded = pins.ended.bind(pins);
    const index = new Index({ pool, pageSize, ghostEntries, clock, book, events, pinEnded });
    const lifetimes = new Lifetimes(index, book, clock, options.lifetimes ?? {});
    this.#events = events;
    this.#pins = pins;
    this.#parts = {
      ...{ pageSize, pool, index, clock, lifetimes, book, pins },
      tables: new Int32Recycler(),
      run: emptyRun(),
      leases: new HeldLeases(),
    };
  }

  get freePages(): number {
    return this.#parts.pool.freePages;
  }

  get evictablePages(): number {
    return this.#parts.index.evictablePages;
  }

  get pinBudgetPages(): number {
    return this.#pins.budgetPages;
  }

  get events(): KvEvents {
    return this.#events;
  }

  match(tokens: Uint32Array, tokenCount: number, salt: string): Match {
    assertPrompt(tokens, tokenCount, salt);
    this.#parts.clock.read();
    return this.#parts.index.match(tokens, tokenCount, salt);
  }

  acquire(request: AcquireRequest): AcquireResult {
    assertRequest(request, this.#hasClock);
    this.#parts.clock.read();
    const result = request.mode === 'bypass' ? this.#acquirePrivate(request) : this.#acquireShared(request);
    if (result.ok) {
      this.#queriedTokens += request.tokenCount;
      this.#hitTokens += result.lease.matchedTokens;
      this.#misses[result.lease.missReason]++;
    }
    return result;
  }

  clear(salt?: string): number {
    const { index } = this.#parts;
    const pages = salt === undefined ? index.removeAll() : index.remove(salt);
    if (this.#events.isRecording)
      this.#events.tell({ kind: 'cleared', medium: 'memory', ...(salt === undefined ? {} : { salt }) });
    return pages;
  }

  expire(): number {
    const { clock, index, lifetimes } = this.#parts;
    clock.read();
    const before = index.endedClaims;
    lifetimes.expire();
    return index.endedClaims - before;
  }

  get isExpiryBehind(): boolean {
    return this.#parts.lifetimes.isExpiryBehind;
  }

  invalidate(target: InvalidationTarget): Invalidation {
    assertTarget(target);
    const { clock, index, lifetimes, pool } = this.#parts;
    clock.read();
    const before = {
      claims: index.endedClaims,
      pages: index.removedPages,
      free: pool.freePages,
      pins: this.#pins.count,
    };
    const { salt, tag, session } = target;
    if (salt !== undefined && tag === undefined && session === undefined) index.remove(salt, 'invalidated');
    else lifetimes.end(target);
    return {
      claims: index.endedClaims - before.claims,
      pages: index.removedPages - before.pages,
      freedPages: pool.freePages - before.free,
      endedPins: before.pins - this.#pins.count,
    };
  }

  closeSession(session: string, salt?: string): Invalidation {
    return this.invalidate(salt === undefined ? { session } : { session, salt });
  }

  pin(request: PinRequest): PinResult {
    assertPin(request, this.#hasClock);
    this.#parts.clock.read();
    return this.#pins.pin(this.#parts, request);
  }

  unpin(pin: PinId): boolean {
    this.#parts.clock.read();
    return this.#pins.unpin(this.#parts, pin);
  }

  entries(): Iterable<CacheEntry> {
    this.#parts.clock.read();
    return entriesOf(this.#parts);
  }

  walk(): CacheWalk {
    return new ClaimWalk(this.#parts);
  }

  assertLifetime(request: Pick<AcquireRequest, 'claim' | 'breakpoints'>): void {
    assertLifetime(request, this.#hasClock);
  }

  topPrefixes(limit: number): readonly PrefixSavings[] {
    const { index } = this.#parts;
    return index.topSaved(limit).map(({ node, savedTokens }) => ({ ...index.readTokens(node), savedTokens }));
  }

  restore(request: RestoreRequest): RestoreResult {
    assertRestore(request, this.#hasClock);
    this.#parts.clock.read();
    return restorePath(this.#parts, request);
  }

  stats(): KvStats {
    const asked = { queriedTokens: this.#queriedTokens, hitTokens: this.#hitTokens, misses: { ...this.#misses } };
    return { ...occupancyOf(this.#parts), ...asked };
  }

  /** The parts. Not for callers: see `internals.ts`. */
  [INTERNALS](): KvParts {
    return this.#parts;
  }

  #acquirePrivate(request: AcquireRequest): AcquireResult {
    const available = roomOf(this.#parts) - request.keepPages;
    const needed = this.#newPages(request, BYPASSED);
    return needed > available ? noRoom(needed, available) : { ok: true, lease: this.#leaseOn(request, BYPASSED) };
  }

  #acquireShared(request: AcquireRequest): AcquireResult {
    const { index } = this.#parts;
    const found = index.lockMatch(request.tokens, request.tokenCount, request.salt);
    // Locked, then counted: pages of the match are not room.
    if (this.#newPages(request, found) <= roomOf(this.#parts) - request.keepPages) {
      return { ok: true, lease: this.#leaseOn(request, found) };
    }
    // The page to copy rows from may be the very page that is missing. Without it, an idle pool holds whatever it can hold at all.
    const withoutSource: FoundPages = { ...found, lockNode: found.endNode, ...NO_SOURCE };
    index.raiseLock(found.lockNode, found.endNode);
    const available = roomOf(this.#parts) - request.keepPages;
    const needed = this.#newPages(request, withoutSource);
    if (needed <= available) return { ok: true, lease: this.#leaseOn(request, withoutSource) };
    index.unlock(found.endNode);
    return noRoom(needed, available);
  }

  /** Pages to allocate: the table reaches `roomTokens`, at least one token more than the match, at most the prompt. */
  #newPages(request: AcquireRequest, found: FoundPages): number {
    const matchedTokens = found.matchedPages * this.pageSize + found.sourceTokens;
    const tokens = Math.min(request.tokenCount, Math.max(request.roomTokens, matchedTokens + 1));
    return pagesFor(tokens, this.pageSize) - found.matchedPages;
  }

  #leaseOn(request: AcquireRequest, found: FoundPages): PageLease {
    const { matchedPages, sourcePage, sourceTokens } = found;
    const lifetime = request.mode === 'share' ? this.#parts.lifetimes.lifetimeOf(request) : undefined;
    const lease = new PageLease(this.#parts, {
      mode: request.mode,
      salt: request.salt,
      endNode: found.endNode,
      lockNode: found.lockNode,
      matchedTokens: matchedPages * this.pageSize + sourceTokens,
      missReason: found.missReason,
      lifetime,
      expectedPages: pagesFor(request.tokenCount, this.pageSize) + 1,
    });
    const source = sourcePage === NULL_PAGE ? undefined : { page: sourcePage, tokens: sourceTokens };
    lease.fill(matchedPages, this.#newPages(request, found), source);
    // Last of all: what this ends may be what was matched, and the lease's claim and references keep it.
    if (lifetime !== undefined) this.#parts.lifetimes.supersede(lifetime.terms);
    if (found.endNode !== undefined && lease.matchedTokens > 0) {
      this.#parts.index.addSaved(found.endNode, lease.matchedTokens);
    }
    return lease;
  }
}

/**
 * Makes a cache. Throws `KvError('INVALID_OPTIONS')`.
 * Memory, reserved here: about 460 bytes a page (nearly half of it to remember evicted pages) and 4 bytes a token slot, of which the system
 * gives what is used, when it is first used. Nothing grows with tokens afterwards.
 */
export function createKvCache(options: KvOptions): KvCache {
  return new PagedKvCache(options);
}

/** The parts of a cache that `createKvCache` made. */
export function partsOf(cache: KvCache): KvParts {
  if (!(cache instanceof PagedKvCache)) {
    throw new KvError('FOREIGN_CACHE', 'Only caches made by createKvCache can be checked.');
  }
  return cache[INTERNALS]();
}
