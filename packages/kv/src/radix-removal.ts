import type { EvictionMemory } from './eviction-memory.ts';
import { type EventLog, pageKey } from './kv-events.ts';
import type { PinEnd } from './lifetimes.ts';
import type { PagePool } from './page-pool.ts';
import type { PageTokens } from './page-tokens.ts';
import type { PathDigest } from './path-digest.ts';
import type { RemovalReason } from './prefix-index.ts';
import type { RadixLocks } from './radix-locks.ts';
import { NO_NODE, type RadixNodes } from './radix-nodes.ts';
import type { SaltRoots } from './salt-roots.ts';
import { type NodeId, NULL_PAGE, type PageId } from './units.ts';

/** What a removal needs of an index. */
export interface RemovalParts {
  readonly pool: PagePool;
  readonly tokens: PageTokens;
  readonly nodes: RadixNodes;
  readonly roots: SaltRoots;
  readonly locks: RadixLocks;
  readonly memory: EvictionMemory;
  readonly digest: PathDigest;
  readonly events: EventLog;
}

/** How nodes leave a radix index while leases may still read them. */
export class RadixRemoval {
  /** Pages that left because no claim covered them any more, or with their salt. */
  removedPages = 0;
  readonly #parts: RemovalParts;
  readonly #open: NodeId[] = [];

  constructor(parts: RemovalParts) {
    this.#parts = parts;
  }

  /**
   * Takes the whole tree of a salt out. Returns its pages. `abandon` ends the claims of each node. O(pages + claims).
   * With a reason, the pages are remembered for it; without, it is as if they had never been there.
   */
  removeSalt(salt: string, reason: 'invalidated' | undefined, abandon: (node: NodeId, pinEnd: PinEnd) => void): number {
    const { roots, nodes } = this.#parts;
    const root = roots.find(salt);
    if (root === undefined) return 0;
    if (reason !== undefined) this.#eachNode(root.node, (node) => this.#remember(node, reason, root.salt));
    roots.forget(root);
    let pages = 0;
    this.#eachNode(root.node, (node) => {
      pages += nodes.pageCount(node);
      this.#parts.locks.withdraw(node);
      abandon(node, reason ?? 'cleared');
      this.#release(node);
    });
    this.removedPages += pages;
    return pages;
  }

  /** A leaf that no claim covers leaves. O(pages). */
  removeLeaf(node: NodeId, reason: RemovalReason): void {
    this.#parts.nodes.unlinkChild(node);
    this.removedPages += this.#parts.nodes.pageCount(node);
    this.discard(node, reason);
  }

  /** A childless node, unlinked from above, leaves. O(pages). */
  discard(node: NodeId, reason: RemovalReason): void {
    this.#remember(node, reason, this.#saltOf(node));
    this.#release(node);
  }

  /** One page of a label is about to leave: it is remembered, and told. O(1), and O(depth) while somebody listens. */
  tellEvicted(node: NodeId, page: PageId): void {
    const { digest, memory, events } = this.#parts;
    digest.startBeforePage(node, page);
    memory.remember(page, digest, 'evicted');
    if (events.isRecording) this.#tell([page], 'evicted', this.#saltOf(node));
  }

  #remember(node: NodeId, reason: RemovalReason, salt: string): void {
    const { nodes, digest, memory, events } = this.#parts;
    if (reason !== 'replaced') {
      for (let page = nodes.firstPage(node); page !== NULL_PAGE; page = nodes.nextPage(page)) {
        digest.startBeforePage(node, page);
        memory.remember(page, digest, reason);
      }
    }
    if (events.isRecording && nodes.pageCount(node) > 0) {
      const pages: PageId[] = [];
      for (let page = nodes.firstPage(node); page !== NULL_PAGE; page = nodes.nextPage(page)) pages.push(page);
      this.#tell(pages, reason, salt);
    }
  }

  #tell(pages: readonly PageId[], reason: RemovalReason, salt: string): void {
    const { tokens, events } = this.#parts;
    const keys = pages.map((page) => pageKey(tokens.digestHigh(page), tokens.digestLow(page)));
    events.tell({ kind: 'removed', medium: 'memory', salt, keys, reason });
  }

  #saltOf(node: NodeId): string {
    const { nodes, roots, events } = this.#parts;
    if (!events.isRecording) return '';
    let root = node;
    while (!nodes.isRoot(root)) root = nodes.parent(root);
    return roots.of(root)?.salt ?? '';
  }

  /** No recursion: a chain of nodes may be as long as the pool. Children are listed before their parent is visited. */
  #eachNode(top: NodeId, visit: (node: NodeId) => void): void {
    const { nodes } = this.#parts;
    const open = this.#open;
    open.push(top);
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      for (let at = nodes.children.first(node); at !== NO_NODE; at = nodes.children.next(at)) open.push(at);
      visit(node);
    }
  }

  /** Unlocked: the pages are freed and the node is gone. Locked: the pages are detached, the node is dead until its last unlock. */
  #release(node: NodeId): void {
    const { nodes, pool, locks } = this.#parts;
    locks.withdraw(node);
    for (let page = nodes.firstPage(node); page !== NULL_PAGE; page = nodes.nextPage(page)) pool.unpublish(page);
    if (nodes.lockCount(node) > 0) nodes.kill(node);
    else nodes.recycle(node);
  }
}
