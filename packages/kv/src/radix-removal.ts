import type { RadixParts } from './radix-parts.ts';
import { type NodeId, NULL_PAGE } from './units.ts';

/** How subtrees leave a radix index while leases may still read them. */
export class RadixRemoval {
  readonly #parts: RadixParts;
  readonly #open: NodeId[] = [];

  constructor(parts: RadixParts) {
    this.#parts = parts;
  }

  /** Takes the whole tree of a salt out. Returns its pages. O(pages). */
  removeSalt(salt: string): number {
    const root = this.#parts.roots.find(salt);
    if (root === undefined) return 0;
    this.#parts.roots.forget(root);
    return this.#removeSubtree(root.node);
  }

  /** Takes a node and all below it out. Returns its pages. O(pages + children of its parent). */
  removeNode(node: NodeId): number {
    const { nodes, roots } = this.#parts;
    const parent = nodes.parent(node);
    nodes.unlinkChild(node);
    const pages = this.#removeSubtree(node);
    if (nodes.isRoot(parent)) roots.dropUnused(parent);
    return pages;
  }

  /** The top is unlinked from above. No recursion: a chain of nodes may be as long as the pool. */
  #removeSubtree(top: NodeId): number {
    const { nodes } = this.#parts;
    const open = this.#open;
    let pages = 0;
    open.push(top);
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      for (let place = 0; place < nodes.childCount(node); place++) open.push(nodes.child(node, place));
      pages += this.#discard(node);
    }
    return pages;
  }

  /** Unlocked: the pages are freed and the node is gone. Locked: the pages are detached, the node is dead until its last unlock. */
  #discard(node: NodeId): number {
    const { nodes, pool, locks } = this.#parts;
    const pages = nodes.pageCount(node);
    for (let page = nodes.firstPage(node); page !== NULL_PAGE; page = nodes.nextPage(page)) pool.unpublish(page);
    if (nodes.lockCount(node) > 0) {
      nodes.kill(node);
    } else {
      locks.forget(node);
      nodes.recycle(node);
    }
    return pages;
  }
}
