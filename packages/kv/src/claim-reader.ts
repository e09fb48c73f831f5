/** Looks at claims one by one, and at the pages that lead to them, by their ids: while an index changes in between. */
import type { ClaimTerms } from './claim-terms.ts';
import type { ClaimId, NodeId, PageId } from './units.ts';

/** A claim as the checker and the enumeration see it. */
export interface ClaimRecord {
  readonly claim: ClaimId;
  readonly terms: ClaimTerms;
  readonly state: 'held' | 'settled';
  readonly deadlineMs: number;
  /** When it ends by itself; Infinity while it is held. */
  readonly expiryMs: number;
  /** A timer will end it. */
  readonly isTimed: boolean;
}

/** A claim, and the node that it ends at. */
export interface PlacedClaim {
  readonly record: ClaimRecord;
  readonly node: NodeId;
}

export interface ClaimReader {
  /** All claim ids of now are below it. */
  readonly end: number;
  /** The claim with this id, if there is one that covers a page of the index. O(1), but for the naive index. */
  find(claim: ClaimId): PlacedClaim | undefined;
  /**
   * Effect: pages from the end of a node of the index upwards are pushed to `into`, until one is known, which is returned, or the first one of
   * the way is reached: then it is the null page. Pure but for that. O(pages).
   */
  readUp(node: NodeId, isKnown: (page: PageId) => boolean, into: PageId[]): PageId;
  /** [1..pageSize] of a published page: to be copied before the index changes. O(1), but for the naive index. */
  tokensOf(page: PageId): Uint32Array;
}
