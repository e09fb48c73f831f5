import type { Match, MissReason } from './kv-cache.ts';
import type { PagePool } from './page-pool.ts';
import type { NodeId, PageId } from './units.ts';

/** What an index is made of. */
export interface IndexOptions {
  readonly pool: PagePool;
  /** Tokens a page. */
  readonly pageSize: number;
  /** Evicted pages that are remembered. */
  readonly ghostEntries: number;
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

  /** Longest published prefix of the first `tokenCount` tokens, its last token left out. Pure. */
  match(tokens: Uint32Array, tokenCount: number, salt: string): Match;
  /** Matches and locks what it found, with the page whose rows would be copied. The result is reused by the next call. */
  lockMatch(tokens: Uint32Array, tokenCount: number, salt: string): LockedMatch;
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
  /** Frees the least recently used unlocked page. Precondition: `evictablePages` > 0. */
  evict(): void;
  /** Takes every page of a salt out of the index. Returns how many. */
  remove(salt: string): number;
  /** Takes every page out of the index. Returns how many. */
  removeAll(): number;
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
  /** Undefined except for a root of the index. */
  readonly salt: string | undefined;
}

export interface IndexView {
  readonly nodes: readonly NodeView[];
  readonly tokensOf: (page: PageId) => readonly number[];
  /** Whether the digest kept for a page is that of the salt and these tokens. */
  readonly hasDigestOf: (page: PageId, salt: string, tokens: readonly number[]) => boolean;
  /** Unlocked nodes, the next to be evicted first. */
  readonly evictionOrder: readonly NodeId[];
  readonly evictablePages: number;
  readonly nodeCount: number;
  /** Faults of the index's own bookkeeping that the fields above cannot show. */
  readonly faults: readonly string[];
}
