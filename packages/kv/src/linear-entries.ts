import { REUSED_SHARE, SLOT_COUNT, slotOf } from './band-orders.ts';
import { BAND_COUNT, BANDS, type ClaimTerms } from './claim-terms.ts';
import { InvariantBroken } from './errors.ts';
import type { ClaimId, NodeId, PageId } from './units.ts';

/** One page (none for the root of a salt), and everything there is to say about it. */
export interface Entry {
  readonly node: NodeId;
  readonly salt: string;
  readonly parent: Entry | undefined;
  readonly page: PageId;
  readonly tokens: readonly number[];
  lockCount: number;
  /** When it joined the eviction order last; the smallest of a slot is evicted next. */
  orderedAt: number;
  lastUsedMs: number;
  isReused: boolean;
  savedTokens: number;
  removed: boolean;
}

/** A claim of the naive index. */
export interface LinearClaim {
  readonly id: ClaimId;
  readonly terms: ClaimTerms;
  entry: Entry;
  isHeld: boolean;
  deadlineMs: number;
  isOver: boolean;
}

/** All entries, and the questions about them that are answered by looking at all of them. */
export class LinearEntries {
  all: Entry[] = [];
  claims: LinearClaim[] = [];
  /** Numbers of the eviction order, as given out. */
  ticks = 0;

  /** Those of the index that are not roots. */
  pages(): Entry[] {
    return this.all.filter((entry) => isLive(entry) && entry.parent !== undefined);
  }

  childrenOf(parent: Entry): Entry[] {
    return this.all.filter((entry) => entry.parent === parent && isLive(entry));
  }

  /** Claims at the entry and below it. */
  claimsBelow(entry: Entry): LinearClaim[] {
    return this.claims.filter((claim) => !claim.isOver && pathTo(claim.entry).includes(entry));
  }

  isPinned(entry: Entry): boolean {
    return this.claimsBelow(entry).some(({ terms }) => terms.band === BANDS.pinned);
  }

  slotOf(entry: Entry): number {
    return slotOf(Math.max(0, ...this.claimsBelow(entry).map(({ terms }) => terms.band)), entry.isReused);
  }

  isEvictable(entry: Entry): boolean {
    return isUnlockedPage(entry) && !this.isPinned(entry);
  }

  /** Entries with a pin at or below them. One look at each claim: all entries are asked at once wherever room is counted. */
  pinned(): ReadonlySet<Entry> {
    const pins = this.claims.filter(({ terms, isOver }) => terms.band === BANDS.pinned && !isOver);
    return new Set(pins.flatMap(({ entry }) => pathTo(entry)));
  }

  /** Entries that may be evicted. */
  evictable(): Entry[] {
    const pinned = this.pinned();
    return this.all.filter((entry) => isUnlockedPage(entry) && !pinned.has(entry));
  }

  /** Evictable entries a slot, the oldest first. */
  orders(): Entry[][] {
    const bands = this.#bands();
    const orders: Entry[][] = Array.from({ length: SLOT_COUNT }, () => []);
    for (const entry of this.evictable()) orders[slotOf(bands.get(entry) ?? 0, entry.isReused)]?.push(entry);
    for (const order of orders) order.sort((a, b) => a.orderedAt - b.orderedAt);
    return orders;
  }

  /** As `BandOrders.victim` decides. */
  victim(): Entry | undefined {
    const orders = this.orders();
    for (let slot = 0; slot < orders.length; slot += 2) {
      const [fresh = [], reused = []] = orders.slice(slot, slot + 2);
      const [oldest] = reused;
      if (fresh.length === 0 && oldest === undefined) continue;
      if (fresh.length === 0) return oldest;
      if (oldest !== undefined && reused.length > REUSED_SHARE * fresh.length) {
        if (this.childrenOf(oldest).length === 0) return oldest;
      }
      return fresh[0];
    }
    return undefined;
  }

  /** Removed entries stay for their locks; a root stays for its locks and children. */
  dropUnused(): void {
    this.all = this.all.filter((entry) => {
      if (entry.lockCount > 0) return true;
      return isLive(entry) && (entry.parent !== undefined || this.childrenOf(entry).length > 0);
    });
  }

  unlockAll(path: readonly Entry[]): void {
    for (const entry of [...path].reverse()) {
      entry.lockCount--;
      if (entry.lockCount < 0)
        throw new InvariantBroken(4, `node ${entry.node} was unlocked more often than it was locked`);
      if (entry.lockCount === 0) entry.orderedAt = ++this.ticks;
    }
    this.dropUnused();
  }

  /** [bands] */
  countsBelow(entry: Entry): number[] {
    const counts: number[] = Array.from({ length: BAND_COUNT }, () => 0);
    for (const { terms } of this.claimsBelow(entry)) counts[terms.band] = (counts[terms.band] as number) + 1;
    return counts;
  }

  /** Highest band of the claims at and below each entry. */
  #bands(): ReadonlyMap<Entry, number> {
    const bands = new Map<Entry, number>();
    for (const { entry, terms, isOver } of this.claims) {
      if (isOver) continue;
      for (const at of pathTo(entry)) bands.set(at, Math.max(terms.band, bands.get(at) ?? 0));
    }
    return bands;
  }

  tokensBefore(entry: { readonly parent: Entry | undefined }): number[] {
    return entry.parent === undefined ? [] : pathTo(entry.parent).flatMap(({ tokens }) => tokens);
  }
}

function isUnlockedPage(entry: Entry): boolean {
  return isLive(entry) && entry.parent !== undefined && entry.lockCount === 0;
}

export function isLive(entry: Entry): boolean {
  return !entry.removed;
}

/** From the root to the entry. */
export function pathTo(entry: Entry): Entry[] {
  const path: Entry[] = [];
  for (let at: Entry | undefined = entry; at !== undefined; at = at.parent) path.unshift(at);
  return path;
}
