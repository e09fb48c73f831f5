import type { CacheClock } from './cache-clock.ts';
import type { ClaimReader, ClaimRecord } from './claim-reader.ts';
import type { ClaimTerms, TermsBook } from './claim-terms.ts';
import type { Match, MissReason } from './kv-cache.ts';
import type { EventLog } from './kv-events.ts';
import type { PinEnd } from './lifetimes.ts';
import type { PagePool } from './page-pool.ts';
import type { ClaimId, NodeId, PageId } from './units.ts';

/** Why a page left the index. `replaced`: a longer page that begins with the same tokens took its place. */
export type RemovalReason = 'evicted' | 'expired' | 'invalidated' | 'replaced';

/** What an index is made of. */
export interface IndexOptions {
  readonly pool: PagePool;
  /** Tokens a page. */
  readonly pageSize: number;
  /** Pages that left and are remembered. */
  readonly ghostEntries: number;
  readonly clock: CacheClock;
  /** The terms that its claims have; it counts them there. */
  readonly book: TermsBook;
  readonly events: EventLog;
  /** A pin ended, other than by `unpin`. */
  readonly pinEnded: (claim: ClaimId, reason: PinEnd) => void;
}

/** What `lockMatch` found and locked. */
export interface LockedMatch {
  /** The lease's end: its path from the root holds exactly the `matchedPages` leading pages. */
  readonly endNode: NodeId;
  /** What has to be unlocked in the end: `endNode`, or the node below it that ends in `sourcePage`. */
  readonly lockNode: NodeId;
  /** Pages that match completely. */
  readonly matchedPages: number;
  /** Page whose first `sourceTokens` rows continue the match; the null page when there is none. */
  readonly sourcePage: PageId;
  readonly sourceTokens: number;
  readonly missReason: MissReason;
}

/** A run of written pages of one page table that are to be published. */
export interface PageRun {
  /** Tokens of the whole sequence; page i of the table holds those from i x pageSize on. */
  readonly tokens: Uint32Array;
  /** The page table. An entry is replaced when its page is a duplicate. */
  readonly table: Int32Array;
  /** Places [firstPage, endPage) of the table. */
  readonly firstPage: number;
  readonly endPage: number;
  /** Whose pages they are, for whoever listens. */
  readonly salt: string;
  readonly terms: ClaimTerms | undefined;
  /** The last page holds more rows than are sealed: where others have these tokens, nothing is stored instead. */
  keepsOwn: boolean;
  /** Counts the tokens of pages that were not there. */
  storedTokens: number;
}

/**
 * Tokens -> published pages, as a tree per salt whose edges are pages. It owns the page states from publication on, and
 * decides what is evicted. Ends of leases are nodes: a path from the root to the end of a node.
 *
 * Node ids stay valid while a lock lies on them, whatever is published, evicted or removed meanwhile.
 */
export interface PrefixIndex {
  /** Published pages that no lease locks. */
  readonly evictablePages: number;
  /** Nodes that hold pages. */
  readonly nodeCount: number;
  /** Pages evicted since the start. */
  readonly evictedPages: number;
  /** Pages that left since the start because no claim covered them any more, or with their salt. */
  readonly removedPages: number;
  /** Pages with a pin at them or below. */
  readonly pinnedPages: number;
  /** Claims, held ones included, and how many of them ended since the start, other than by eviction of all that they covered. */
  readonly claimCount: number;
  readonly endedClaims: number;
  /** Claims and what they cover, one by one. */
  readonly reader: ClaimReader;

  /** Longest published prefix of the first `tokenCount` tokens, its last token left out. Pure. */
  match(tokens: Uint32Array, tokenCount: number, salt: string): Match;
  /** Matches and locks what it found, with the page whose rows would be copied; it is used now. The result is reused by the next call. */
  lockMatch(tokens: Uint32Array, tokenCount: number, salt: string): LockedMatch;
  /** As `lockMatch`, but the last token counts as well, and nothing is used by it. */
  lockWhole(tokens: Uint32Array, tokenCount: number, salt: string): LockedMatch;
  /** One more lease ends in the node. */
  lock(node: NodeId): void;
  /** A lease no longer ends in the node; what becomes unlocked joins the eviction order, tail before head. */
  unlock(node: NodeId): void;
  /** Moves a lock from a node to one of its ancestors (or to itself). */
  raiseLock(from: NodeId, ancestor: NodeId): void;
  /** Is the node out of the index, held only by leases? Pure. */
  isDetached(node: NodeId): boolean;
  /** Writes the pages of the path to the node's end to the start of `table`, which is long enough. O(pages). */
  readPath(node: NodeId, table: Int32Array): void;
  /**
   * Publishes full pages behind `end`, which one lock of the caller is on; the lock moves to the node returned, where the run ends.
   * A page whose tokens are there already is replaced in the table by the published one first and let go of second.
   */
  publish(end: NodeId, run: PageRun): NodeId;
  /**
   * Publishes the single page of the run with `tokenCount` (1 to pageSize - 1) tokens as a leaf behind `end`. The lock moves to the node
   * returned. Undefined, and nothing happens, when a longer page begins with these tokens.
   */
  seal(end: NodeId, run: PageRun, tokenCount: number): NodeId | undefined;
  /** Frees the page that is worth least. Precondition: `evictablePages` > 0. */
  evict(): void;
  /** Takes every page of a salt out of the index. Returns how many. With a reason, misses will name it. */
  remove(salt: string, reason?: 'invalidated'): number;
  /** Takes every page out of the index. Returns how many. */
  removeAll(): number;

  /** A claim at a locked node, held by a lease that moves it along. O(depth). */
  hold(node: NodeId, terms: ClaimTerms): ClaimId;
  /** Moves a held claim to a locked node below its own. */
  extend(claim: ClaimId, node: NodeId): void;
  /** Was it ended while its lease held it? Pure. */
  isEnded(claim: ClaimId): boolean;
  /** The lease lets go: merges the claim with an equal one. Returns the one that is left, undefined when it covered nothing. O(depth). */
  settle(claim: ClaimId, deadlineMs: number): ClaimId | undefined;
  /** Ends a settled claim. O(depth + pages that leave). */
  end(claim: ClaimId, reason: 'invalidated' | 'expired'): void;
  /** Ends all claims with these terms, or as many as `work` reaches. O(claims x depth + pages that leave). */
  endAll(terms: ClaimTerms, reason: 'invalidated' | 'expired', work?: { left: number }): void;
  /** Ends claims whose time has come, as far as `work` reaches. */
  expire(work: { left: number }): void;
  /** May there be claims whose time was over when the clock was read last? Pure, O(1). */
  isExpiryBehind(): boolean;
  /** The node on the way to a locked node that ends after `pages` pages; `table` is its page table. May split. O(depth). */
  endOnWay(node: NodeId, pages: number, table: Int32Array): NodeId;
  /** Pages from the root to the node, and how many of them are not pinned. O(depth). */
  wayTo(node: NodeId): { readonly pages: number; readonly unpinnedPages: number };
  /** Tokens that a request found at the end of a node and did not compute. */
  addSaved(node: NodeId, tokens: number): void;
  /** Ends of prefixes that saved most, the most useful first. O(nodes). */
  topSaved(limit: number): readonly { readonly node: NodeId; readonly savedTokens: number }[];
  /** All tokens from the root to the end of a node, and its salt. O(tokens). */
  readTokens(node: NodeId): { readonly salt: string; readonly tokens: Uint32Array };
  /** Everything the checker needs, copied. Slow. */
  view(): IndexView;
}

/** A node as the checker sees it. */
export interface NodeView {
  readonly node: NodeId;
  /** `root` holds no page; `dead` is out of the index and survives for the leases that end in its subtree. */
  readonly kind: 'root' | 'live' | 'dead';
  /** Undefined for a root. */
  readonly parent: NodeId | undefined;
  /** In the order of the index; live ones only. */
  readonly children: readonly NodeId[];
  readonly pages: readonly PageId[];
  readonly lockCount: number;
  /** Claims that end at the node. */
  readonly claims: readonly ClaimRecord[];
  /** [bands] claims that end in its subtree, as they are counted; of these, held ones. */
  readonly claimCounts: readonly number[];
  readonly heldCount: number;
  /** Until when it seems to live; with `isLoose`, at most. */
  readonly liveUntilMs: number;
  readonly isLoose: boolean;
  readonly isReused: boolean;
  readonly savedTokens: number;
  /** Undefined except for a root of the index. */
  readonly salt: string | undefined;
}

export interface IndexView {
  readonly nodes: readonly NodeView[];
  readonly tokensOf: (page: PageId) => readonly number[];
  /** Whether the digest kept for a page is that of the salt and these tokens. */
  readonly hasDigestOf: (page: PageId, salt: string, tokens: readonly number[]) => boolean;
  /** [slots] nodes without locks and pins, the next to be evicted first, in each of the lists of `BandOrders`; `slotPages` as counted. */
  readonly evictionOrders: readonly (readonly NodeId[])[];
  readonly slotPages: readonly number[];
  readonly pinnedPages: number;
  readonly claimCount: number;
  readonly evictablePages: number;
  readonly nodeCount: number;
  /** Faults of the index's own bookkeeping that the fields above cannot show. */
  readonly faults: readonly string[];
}
