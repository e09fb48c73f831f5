import { NO_CLAIM } from './claim-columns.ts';
import { BAND_COUNT, BANDS } from './claim-terms.ts';
import { INTERNALS } from './internals.ts';
import type { ClaimId, NodeId } from './units.ts';

/** The raw columns, for the checker. Replaced when the columns grow. */
export interface NodeClaimColumns {
  /** [capacity, BAND_COUNT] claims that end in the node's subtree */
  readonly counts: Int32Array;
  /** [capacity] held ones among them */
  readonly heldCount: Int32Array;
  readonly liveUntilMs: Float64Array;
  readonly lastUsedMs: Float64Array;
  readonly slidingMs: Float64Array;
  readonly isSlidingLoose: Uint8Array;
  readonly isLoose: Uint8Array;
  readonly isReused: Uint8Array;
  readonly slot: Uint8Array;
  readonly firstClaim: Int32Array;
  readonly savedTokens: Float64Array;
}

/**
 * What the radix tree keeps of the claims below each node: counts a band, and until when the last of them lives. Counts are exact. The time
 * is exact, too, except where the claim that had it was ended by request: then it is *loose*, an upper bound, until a
 * later claim takes its place. That is enough: a match looks at it only while the timing wheel is late, and has it made exact first where it
 * is loose. To keep it exact all the time would cost a search among all children for each claim that ends.
 */
export class NodeClaims {
  #counts: Int32Array;
  #heldCount: Int32Array;
  #liveUntilMs: Float64Array;
  #lastUsedMs: Float64Array;
  /** Longest sliding time to live of the claims that end in the node; 0: none slides. */
  #slidingMs: Float64Array;
  /** The longest may be shorter: one of them is gone, or has an end of its own. */
  #isSlidingLoose: Uint8Array;
  #isLoose: Uint8Array;
  /** A later request matched it. */
  #isReused: Uint8Array;
  /** Eviction list that the node is in, + 1; 0: none. */
  #slot: Uint8Array;
  #firstClaim: Int32Array;
  #savedTokens: Float64Array;

  constructor(capacity: number) {
    this.#counts = new Int32Array(capacity * BAND_COUNT);
    this.#heldCount = new Int32Array(capacity);
    this.#liveUntilMs = new Float64Array(capacity);
    this.#lastUsedMs = new Float64Array(capacity);
    this.#slidingMs = new Float64Array(capacity);
    this.#isSlidingLoose = new Uint8Array(capacity);
    this.#isLoose = new Uint8Array(capacity);
    this.#isReused = new Uint8Array(capacity);
    this.#slot = new Uint8Array(capacity);
    this.#firstClaim = new Int32Array(capacity);
    this.#savedTokens = new Float64Array(capacity);
  }

  /** Makes room for node ids below `capacity`. */
  grow(capacity: number): void {
    const before = this[INTERNALS]();
    const copy = <Column extends Int32Array | Float64Array | Uint8Array>(column: Column, from: Column): Column => {
      column.set(from);
      return column;
    };
    this.#counts = copy(new Int32Array(capacity * BAND_COUNT), before.counts);
    this.#heldCount = copy(new Int32Array(capacity), before.heldCount);
    this.#liveUntilMs = copy(new Float64Array(capacity), before.liveUntilMs);
    this.#lastUsedMs = copy(new Float64Array(capacity), before.lastUsedMs);
    this.#slidingMs = copy(new Float64Array(capacity), before.slidingMs);
    this.#isSlidingLoose = copy(new Uint8Array(capacity), before.isSlidingLoose);
    this.#isLoose = copy(new Uint8Array(capacity), before.isLoose);
    this.#isReused = copy(new Uint8Array(capacity), before.isReused);
    this.#slot = copy(new Uint8Array(capacity), before.slot);
    this.#firstClaim = copy(new Int32Array(capacity), before.firstClaim);
    this.#savedTokens = copy(new Float64Array(capacity), before.savedTokens);
  }

  /** A new node: no claims. O(1). */
  reset(node: NodeId): void {
    this.#counts.fill(0, node * BAND_COUNT, (node + 1) * BAND_COUNT);
    this.#heldCount[node] = 0;
    this.#liveUntilMs[node] = 0;
    this.#lastUsedMs[node] = 0;
    this.#slidingMs[node] = 0;
    this.#isSlidingLoose[node] = 0;
    this.#isLoose[node] = 0;
    this.#isReused[node] = 0;
    this.#slot[node] = 0;
    this.#firstClaim[node] = NO_CLAIM;
    this.#savedTokens[node] = 0;
  }

  /** `head` took the head of the label of `node`: the same subtree, but no claim ends there. O(1). */
  split(node: NodeId, head: NodeId): void {
    for (let band = 0; band < BAND_COUNT; band++) {
      this.#counts[head * BAND_COUNT + band] = this.#counts[node * BAND_COUNT + band] as number;
    }
    this.#heldCount[head] = this.#heldCount[node] as number;
    this.#liveUntilMs[head] = this.#liveUntilMs[node] as number;
    this.#lastUsedMs[head] = this.#lastUsedMs[node] as number;
    this.#isLoose[head] = this.#isLoose[node] as number;
    this.#isReused[head] = this.#isReused[node] as number;
    // Whoever splits locks the head next: that takes its pages off the slot that counted them.
    this.#slot[head] = this.#slot[node] as number;
  }

  /** Claims of all bands in the subtree. Pure, O(1). */
  count(node: NodeId): number {
    let count = 0;
    for (let band = 0; band < BAND_COUNT; band++) count += this.#counts[node * BAND_COUNT + band] as number;
    return count;
  }

  isPinned(node: NodeId): boolean {
    return (this.#counts[node * BAND_COUNT + BANDS.pinned] as number) > 0;
  }

  /** Highest band of the claims in the subtree. Pure, O(1). */
  band(node: NodeId): number {
    let band = BAND_COUNT - 1;
    while (band > 0 && this.#counts[node * BAND_COUNT + band] === 0) band--;
    return band;
  }

  /** One claim more (or less) ends in the subtree. */
  addCount(node: NodeId, band: number, change: 1 | -1): void {
    const at = node * BAND_COUNT + band;
    this.#counts[at] = (this.#counts[at] as number) + change;
  }

  addHeld(node: NodeId, change: 1 | -1): void {
    this.#heldCount[node] = (this.#heldCount[node] as number) + change;
  }

  /** Does a claim in the subtree live? What the wheel has not come to may only seem to where the node is loose. Pure, O(1). */
  isLive(node: NodeId, nowMs: number): boolean {
    return (this.#heldCount[node] as number) > 0 || (this.#liveUntilMs[node] as number) > nowMs;
  }

  /** May it live shorter than it seems? */
  isUnsure(node: NodeId): boolean {
    return this.#isLoose[node] === 1 && this.#heldCount[node] === 0;
  }

  setLoose(node: NodeId): void {
    this.#isLoose[node] = 1;
  }

  liveUntilMs(node: NodeId): number {
    return this.#liveUntilMs[node] as number;
  }

  /** A claim in the subtree lives until then. False: others live longer, and so they do above. O(1). */
  raise(node: NodeId, expiryMs: number): boolean {
    if (expiryMs < (this.#liveUntilMs[node] as number)) return false;
    this.#liveUntilMs[node] = expiryMs;
    this.#isLoose[node] = 0;
    return true;
  }

  /** The last claim in the subtree ends then, and no other time: it is known exactly. */
  setLiveUntil(node: NodeId, expiryMs: number): void {
    this.#liveUntilMs[node] = expiryMs;
    this.#isLoose[node] = 0;
  }

  lastUsedMs(node: NodeId): number {
    return this.#lastUsedMs[node] as number;
  }

  setLastUsed(node: NodeId, nowMs: number): void {
    this.#lastUsedMs[node] = nowMs;
  }

  slidingMs(node: NodeId): number {
    return this.#slidingMs[node] as number;
  }

  /** A claim that slides ends in the node. `hasEnd`: it has an end besides. */
  raiseSliding(node: NodeId, slidingMs: number, hasEnd: boolean): void {
    if (slidingMs > (this.#slidingMs[node] as number)) this.#slidingMs[node] = slidingMs;
    if (hasEnd) this.#isSlidingLoose[node] = 1;
  }

  isSlidingLoose(node: NodeId): boolean {
    return this.#isSlidingLoose[node] === 1;
  }

  /** A claim that slides left the node. */
  loosenSliding(node: NodeId): void {
    const isLast = this.#firstClaim[node] === NO_CLAIM;
    if (isLast) this.#slidingMs[node] = 0;
    this.#isSlidingLoose[node] = isLast ? 0 : 1;
  }

  isReused(node: NodeId): boolean {
    return this.#isReused[node] === 1;
  }

  setReused(node: NodeId): void {
    this.#isReused[node] = 1;
  }

  slot(node: NodeId): number {
    return this.#slot[node] as number;
  }

  setSlot(node: NodeId, slot: number): void {
    this.#slot[node] = slot;
  }

  firstClaim(node: NodeId): ClaimId {
    return this.#firstClaim[node] as ClaimId;
  }

  setFirstClaim(node: NodeId, claim: ClaimId): void {
    this.#firstClaim[node] = claim;
  }

  savedTokens(node: NodeId): number {
    return this.#savedTokens[node] as number;
  }

  addSaved(node: NodeId, tokens: number): void {
    this.#savedTokens[node] = (this.#savedTokens[node] as number) + tokens;
  }

  /** The raw columns. Not for callers: see `internals.ts`. */
  [INTERNALS](): NodeClaimColumns {
    return {
      counts: this.#counts,
      heldCount: this.#heldCount,
      liveUntilMs: this.#liveUntilMs,
      lastUsedMs: this.#lastUsedMs,
      slidingMs: this.#slidingMs,
      isSlidingLoose: this.#isSlidingLoose,
      isLoose: this.#isLoose,
      isReused: this.#isReused,
      slot: this.#slot,
      firstClaim: this.#firstClaim,
      savedTokens: this.#savedTokens,
    };
  }
}
