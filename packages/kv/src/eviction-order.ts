import { LRUCache } from 'lru-cache';
import type { NodeId } from './units.ts';

// One object for every call: lru-cache reads options from it, and would otherwise allocate one each time.
const SET_OPTIONS = {};

/**
 * Which unlocked node is evicted next: the least recently unlocked one. `lru-cache` keeps the order.
 * A node that is being trimmed page by page is out of the list and remembered as the *victim*: no iterator is needed
 * to look at the oldest without taking it.
 */
export class EvictionOrder {
  readonly #order: LRUCache<NodeId, NodeId>;
  #victim: NodeId | undefined;

  /** @param capacity nodes that can be unlocked at once. */
  constructor(capacity: number) {
    this.#order = new LRUCache<NodeId, NodeId>({ max: capacity });
  }

  /** The node was used last of all. O(1). */
  add(node: NodeId): void {
    this.#order.set(node, node, SET_OPTIONS);
  }

  /** The node is locked or gone; nothing happens when it is not listed. O(1). */
  remove(node: NodeId): void {
    if (node === this.#victim) {
      this.#victim = undefined;
      return;
    }
    // lru-cache clears all of its columns when the last element is deleted, O(capacity); taking it off is O(1).
    if (this.#order.size === 1) {
      if (this.#order.has(node)) this.#order.pop();
    } else {
      this.#order.delete(node);
    }
  }

  /** The node to trim now: the same one until it is removed. Undefined when all are locked. O(1). */
  victim(): NodeId | undefined {
    this.#victim ??= this.#order.pop();
    return this.#victim;
  }

  /** All listed nodes, the next to be evicted first. O(nodes). */
  list(): NodeId[] {
    const listed = [...this.#order.rkeys()];
    return this.#victim === undefined ? listed : [this.#victim, ...listed];
  }
}
