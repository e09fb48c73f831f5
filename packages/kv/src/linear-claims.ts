import type { CacheClock } from './cache-clock.ts';
import type { ClaimRecord } from './claim-reader.ts';
import { BANDS, type ClaimTerms, type TermsBook } from './claim-terms.ts';
import { InvariantBroken } from './errors.ts';
import type { PinEnd } from './lifetimes.ts';
import { type Entry, type LinearClaim, type LinearEntries, pathTo } from './linear-entries.ts';
import type { RemovalReason } from './prefix-index.ts';
import type { ClaimId } from './units.ts';

export interface LinearClaimParts {
  readonly entries: LinearEntries;
  readonly book: TermsBook;
  readonly clock: CacheClock;
  readonly takeOut: (entry: Entry, reason: RemovalReason) => void;
  readonly pinEnded: (claim: ClaimId, reason: PinEnd) => void;
  /** The next number of the eviction order. */
  readonly tick: () => number;
}

/** Claims of the naive index: a list, searched whenever something is asked. */
export class LinearClaims {
  endedClaims = 0;
  readonly #parts: LinearClaimParts;
  #nextId = 1;

  constructor(parts: LinearClaimParts) {
    this.#parts = parts;
  }

  /** All ids are below it. */
  get idEnd(): number {
    return this.#nextId;
  }

  get(id: ClaimId): LinearClaim {
    const found = this.#parts.entries.claims.find((claim) => claim.id === id);
    if (found === undefined) throw new InvariantBroken(14, `claim ${id} is gone, but somebody holds it`);
    return found;
  }

  hold(entry: Entry, terms: ClaimTerms): ClaimId {
    const id = this.#nextId++ as ClaimId;
    this.#parts.book.retain(terms);
    const deadlineMs = Number.POSITIVE_INFINITY;
    this.#parts.entries.claims.push({ id, terms, entry, isHeld: true, deadlineMs, isOver: false });
    return id;
  }

  settle(id: ClaimId, deadlineMs: number): ClaimId | undefined {
    const claim = this.get(id);
    const { entry } = claim;
    if (!claim.isOver && entry.parent === undefined) this.#close(claim, 'invalidated');
    if (claim.isOver) {
      this.#forget(claim);
      return undefined;
    }
    for (const at of pathTo(entry)) at.lastUsedMs = this.#parts.clock.nowMs;
    claim.isHeld = false;
    claim.deadlineMs = deadlineMs;
    return this.#merge(claim).id;
  }

  end(id: ClaimId, reason: RemovalReason): void {
    const claim = this.get(id);
    const { entry, isHeld } = claim;
    const before = this.#slots(entry);
    this.#close(claim, reason === 'expired' ? 'expired' : 'invalidated');
    if (!isHeld) this.#forget(claim);
    this.#leaveUncovered(entry, reason, before);
  }

  endAll(terms: ClaimTerms, reason: RemovalReason, work = { left: Number.POSITIVE_INFINITY }): void {
    const { entries } = this.#parts;
    for (const claim of entries.claims.filter((each) => each.terms === terms && !each.isOver).reverse()) {
      if (work.left <= 0) return;
      work.left -= 2;
      this.end(claim.id, reason);
    }
  }

  /** The entry is about to be evicted. */
  moveUp(entry: Entry): void {
    const { entries } = this.#parts;
    const parent = entry.parent as Entry;
    for (const claim of entries.claims.filter((each) => each.entry === entry && !each.isOver)) {
      if (parent.parent === undefined) {
        this.#close(claim, 'invalidated');
        if (!claim.isHeld) this.#forget(claim);
      } else {
        claim.entry = parent;
        if (!claim.isHeld) this.#merge(claim);
      }
    }
  }

  /** The claims of an entry go over to another. */
  absorb(entry: Entry, target: Entry): void {
    target.lastUsedMs = Math.max(target.lastUsedMs, entry.lastUsedMs);
    target.isReused ||= entry.isReused;
    for (const claim of this.#parts.entries.claims) if (claim.entry === entry && !claim.isOver) claim.entry = target;
  }

  /** The entry leaves with its tree. */
  abandon(entry: Entry, pinEnd: PinEnd): void {
    const { entries } = this.#parts;
    for (const claim of entries.claims.filter((each) => each.entry === entry && !each.isOver)) {
      this.#close(claim, pinEnd);
      if (!claim.isHeld) this.#forget(claim);
    }
  }

  expire(): void {
    const { entries, clock } = this.#parts;
    const due = entries.claims
      .filter((claim) => !claim.isHeld && this.expiryOf(claim) <= clock.nowMs)
      .sort((a, b) => this.expiryOf(a) - this.expiryOf(b));
    for (const claim of due) if (entries.claims.includes(claim)) this.end(claim.id, 'expired');
  }

  /** Is there a claim whose time is over? */
  get isLate(): boolean {
    const { entries, clock } = this.#parts;
    return entries.claims.some((claim) => this.expiryOf(claim) <= clock.nowMs);
  }

  isLive(entry: Entry): boolean {
    const { entries, clock } = this.#parts;
    return entries.claimsBelow(entry).some((claim) => this.expiryOf(claim) > clock.nowMs);
  }

  /** Infinity while it is held. */
  expiryOf(claim: LinearClaim): number {
    if (claim.isHeld) return Number.POSITIVE_INFINITY;
    return Math.min(claim.deadlineMs, claim.entry.lastUsedMs + claim.terms.slidingTtlMs);
  }

  /** What there is to say about a claim. */
  recordOf(claim: LinearClaim): ClaimRecord {
    const expiryMs = this.expiryOf(claim);
    return {
      claim: claim.id,
      terms: claim.terms,
      state: claim.isHeld ? 'held' : 'settled',
      deadlineMs: claim.deadlineMs,
      expiryMs,
      isTimed: expiryMs < Number.POSITIVE_INFINITY,
    };
  }

  #merge(claim: LinearClaim): LinearClaim {
    const { entries, book } = this.#parts;
    const twin = entries.claims.find(
      (each) => each !== claim && !each.isHeld && each.entry === claim.entry && each.terms === claim.terms,
    );
    if (twin === undefined) return claim;
    twin.deadlineMs = Math.max(twin.deadlineMs, claim.deadlineMs);
    claim.isOver = true;
    this.#forget(claim);
    book.release(claim.terms);
    return twin;
  }

  /** From the leaf up: what nothing covers leaves; what goes to another slot is the newest there. */
  #leaveUncovered(entry: Entry, reason: RemovalReason, before: ReadonlyMap<Entry, number | undefined>): void {
    const { entries, takeOut, tick } = this.#parts;
    for (const at of pathTo(entry).reverse()) {
      if (at.parent === undefined) continue;
      if (entries.claimsBelow(at).length === 0) takeOut(at, reason);
      else if (entries.isEvictable(at) && before.get(at) !== entries.slotOf(at)) at.orderedAt = tick();
    }
  }

  #slots(entry: Entry): ReadonlyMap<Entry, number | undefined> {
    const { entries } = this.#parts;
    return new Map(pathTo(entry).map((at) => [at, entries.isEvictable(at) ? entries.slotOf(at) : undefined]));
  }

  #close(claim: LinearClaim, pinEnd: PinEnd): void {
    claim.isOver = true;
    this.endedClaims++;
    if (claim.terms.band === BANDS.pinned) this.#parts.pinEnded(claim.id, pinEnd);
    this.#parts.book.release(claim.terms);
  }

  #forget(claim: LinearClaim): void {
    const { claims } = this.#parts.entries;
    claims.splice(claims.indexOf(claim), 1);
  }
}
