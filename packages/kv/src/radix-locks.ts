import type { BandOrders } from './band-orders.ts';
import { InvariantBroken } from './errors.ts';
import { NO_NODE, type RadixNodes } from './radix-nodes.ts';
import type { SaltRoots } from './salt-roots.ts';
import type { NodeId } from './units.ts';

/**
 * Lock counts from a node to its root, and with them what can be evicted: a node without locks and pins is in the eviction order, and its
 * pages are counted. A parent is unlocked after its children, in one release and over all of them, so the oldest node is always a leaf.
 */
export class RadixLocks {
  /** Pages of nodes without locks and pins. */
  evictablePages = 0;
  /** Pages of nodes with a pin in their subtree. */
  pinnedPages = 0;
  readonly #nodes: RadixNodes;
  readonly #order: BandOrders;
  readonly #roots: SaltRoots;

  constructor(nodes: RadixNodes, order: BandOrders, roots: SaltRoots) {
    this.#nodes = nodes;
    this.#order = order;
    this.#roots = roots;
  }

  /** One more lease ends in the node: counts to the root. O(depth). */
  lock(node: NodeId): void {
    for (let at = node; at !== NO_NODE; at = this.#nodes.parent(at)) this.lockOne(at);
  }

  /** A lock that comes down from the parent. O(1). */
  lockOne(node: NodeId): void {
    const count = this.#nodes.lockCount(node);
    this.#nodes.setLockCount(node, count + 1);
    if (count === 0 && !this.#nodes.isRoot(node)) this.withdraw(node);
  }

  /** One lease less below each node from `node` up to, but without, `stop`. O(depth). */
  unlockUpTo(node: NodeId, stop: NodeId): void {
    let at = node;
    while (at !== stop) {
      if (at === NO_NODE) throw new InvariantBroken(4, `node ${stop} is not an ancestor of node ${node}`);
      // A node that nobody needs any more is recycled here, and its links with it.
      const parent = this.#nodes.parent(at);
      this.#unlockOne(at);
      at = parent;
    }
  }

  /** The node cannot be evicted any more, or is about to leave the index; nothing happens when it could not. O(1). */
  withdraw(node: NodeId): void {
    if (this.#nodes.claims.slot(node) === 0) return;
    this.#order.remove(node);
    this.evictablePages -= this.#nodes.pageCount(node);
  }

  /** The node can be evicted, unless something holds it. O(1). */
  offer(node: NodeId): void {
    if (this.#nodes.lockCount(node) > 0 || this.#nodes.claims.isPinned(node)) return;
    this.#order.add(node);
    this.evictablePages += this.#nodes.pageCount(node);
  }

  #unlockOne(node: NodeId): void {
    const count = this.#nodes.lockCount(node) - 1;
    if (count < 0) throw new InvariantBroken(4, `node ${node} was unlocked more often than it was locked`);
    this.#nodes.setLockCount(node, count);
    if (count > 0) return;
    if (this.#nodes.isDead(node)) this.#nodes.recycle(node);
    else if (this.#nodes.isRoot(node)) this.#roots.dropUnused(node);
    else this.offer(node);
  }
}
