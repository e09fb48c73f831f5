import type { CacheClock } from './cache-clock.ts';
import type { TermsBook, TermsFields } from './claim-terms.ts';
import { KvError } from './errors.ts';
import type { EventLog } from './kv-events.ts';
import type { PinEnd, PinId, PinRequest, PinResult } from './lifetimes.ts';
import type { LockedMatch, PrefixIndex } from './prefix-index.ts';
import { type ClaimId, type NodeId, NULL_PAGE, pagesFor } from './units.ts';

/** What a pin is set in. */
export interface PinParts {
  readonly index: PrefixIndex;
  readonly pageSize: number;
  readonly clock: CacheClock;
}

interface Pin {
  readonly claim: ClaimId;
  readonly salt: string;
}

/**
 * Promises that pages are not evicted: claims of a band that eviction never looks at, within a budget of pages. A page under several pins counts once. What has
 * no room in the budget is clipped from the tail, since heads are shared more often.
 */
export class Pins {
  readonly budgetPages: number;
  readonly #book: TermsBook;
  readonly #events: EventLog;
  readonly #byId = new Map<PinId, Pin>();
  readonly #byClaim = new Map<ClaimId, PinId>();
  #nextId: PinId = 1;

  constructor(budgetPages: number, book: TermsBook, events: EventLog) {
    this.budgetPages = budgetPages;
    this.#book = book;
    this.#events = events;
  }

  get count(): number {
    return this.#byId.size;
  }

  /** See `KvCache.pin`. */
  pin(parts: PinParts, request: PinRequest): PinResult {
    const { index, pageSize } = parts;
    const { tokens, tokenCount, salt } = request;
    const found = { ...index.lockWhole(tokens, tokenCount, salt) };
    try {
      const available = this.budgetPages - index.pinnedPages;
      const isInside = found.sourcePage !== NULL_PAGE;
      const foundTokens = found.matchedPages * pageSize + found.sourceTokens;
      if (foundTokens === 0) return refused('not-cached', pagesFor(tokenCount, pageSize), available);
      const way = index.wayTo(isInside ? found.lockNode : found.endNode);
      if (way.unpinnedPages > 0 && available <= 0) return refused('budget', way.unpinnedPages, available);
      const newPages = Math.min(way.unpinnedPages, available);
      const pages = way.pages - way.unpinnedPages + newPages;
      const pin = this.#settle(parts, request, this.#endOf(parts, found, pages));
      const isWhole = newPages === way.unpinnedPages;
      const pinned = isWhole ? foundTokens : pages * pageSize;
      if (pinned === tokenCount) return { outcome: 'granted', pin, tokens: pinned, newPages };
      const missingPages = pagesFor(tokenCount, pageSize) - pages;
      const reason = isWhole ? 'not-cached' : 'budget';
      return { outcome: 'clipped', reason, pin, tokens: pinned, newPages, wantedTokens: tokenCount, missingPages };
    } finally {
      index.unlock(found.lockNode);
    }
  }

  /** Ends a pin. */
  unpin(parts: PinParts, pin: PinId): boolean {
    const found = this.#byId.get(pin);
    if (found === undefined) return false;
    this.#forget(pin, found, 'unpinned');
    parts.index.end(found.claim, 'invalidated');
    return true;
  }

  /** The claim of a pin ended in the index. */
  ended(claim: ClaimId, reason: PinEnd): void {
    const pin = this.#byClaim.get(claim);
    const found = pin === undefined ? undefined : this.#byId.get(pin);
    if (pin !== undefined && found !== undefined) this.#forget(pin, found, reason);
  }

  /** [id, claim] of all pins, for the checker. */
  claims(): [PinId, ClaimId][] {
    return [...this.#byId].map(([pin, { claim }]) => [pin, claim]);
  }

  #forget(pin: PinId, { claim, salt }: Pin, reason: PinEnd): void {
    this.#byId.delete(pin);
    this.#byClaim.delete(claim);
    if (this.#events.isRecording) this.#events.tell({ kind: 'unpinned', salt, pin, reason });
  }

  #endOf({ index, pageSize }: PinParts, found: LockedMatch, pages: number): NodeId {
    if (pages > found.matchedPages) return found.lockNode;
    if (pages === found.matchedPages) return found.endNode;
    const table = new Int32Array(Math.max(found.matchedPages, pageSize));
    index.readPath(found.endNode, table);
    return index.endOnWay(found.endNode, pages, table);
  }

  #settle({ index, clock }: PinParts, { salt, claim }: PinRequest, node: NodeId): PinId {
    const { priority: _unused, ttlMs, ...rest } = claim ?? {};
    const fields: TermsFields = { salt, ...rest, isPinned: true };
    const deadline = clock.nowMs + (ttlMs ?? Number.POSITIVE_INFINITY);
    const settled = index.settle(index.hold(node, this.#book.intern(fields)), deadline);
    if (settled === undefined) throw new KvError('INVALID_REQUEST', 'Nothing can be pinned at a root.');
    const known = this.#byClaim.get(settled);
    if (known !== undefined) return known;
    const pin = this.#nextId++;
    this.#byId.set(pin, { claim: settled, salt });
    this.#byClaim.set(settled, pin);
    return pin;
  }
}

function refused(reason: 'budget' | 'not-cached', neededPages: number, availablePages: number): PinResult {
  return { outcome: 'refused', reason, neededPages, availablePages: Math.max(0, availablePages) };
}
