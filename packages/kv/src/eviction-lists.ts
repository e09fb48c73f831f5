import { NO_NODE } from './radix-nodes.ts';
import type { NodeId } from './units.ts';

/**
 * Nodes in a few lists, each in the order in which they were put there; a node is in one list at most. Links are columns that are taken at once: a
 * map of a million keys would stop everything for a tenth of a second whenever it grows.
 *
 *     list 2: oldest 7 -> 12 -> 9 newest        newer [7] = 12, [12] = 9, [9] = none        older the other way
 */
export class EvictionLists {
  // [capacity] each
  #newer: Int32Array;
  #older: Int32Array;
  // [lists] each
  readonly #oldest: Int32Array;
  readonly #newest: Int32Array;

  /** @param capacity node ids are below it; more make the columns grow. */
  constructor(lists: number, capacity: number) {
    this.#newer = new Int32Array(capacity);
    this.#older = new Int32Array(capacity);
    this.#oldest = new Int32Array(lists);
    this.#newest = new Int32Array(lists);
  }

  /** The node, which is in no list, is the newest of this one. O(1). */
  add(list: number, node: NodeId): void {
    if (node >= this.#newer.length) this.#grow(node);
    const newest = this.#newest[list] as NodeId;
    this.#older[node] = newest;
    if (newest === NO_NODE) this.#oldest[list] = node;
    else this.#newer[newest] = node;
    this.#newest[list] = node;
  }

  /** Takes the node out of the list; nothing happens when it is in none, as the head of a split is. O(1). */
  remove(list: number, node: NodeId): void {
    const newer = this.#newer[node] as NodeId;
    const older = this.#older[node] as NodeId;
    if (older === NO_NODE && this.#oldest[list] !== node) return;
    this.#newer[node] = NO_NODE;
    this.#older[node] = NO_NODE;
    if (newer === NO_NODE) this.#newest[list] = older;
    else this.#older[newer] = older;
    if (older === NO_NODE) this.#oldest[list] = newer;
    else this.#newer[older] = newer;
  }

  /** Undefined: the list is empty. Pure, O(1). */
  oldest(list: number): NodeId | undefined {
    const oldest = this.#oldest[list] as NodeId;
    return oldest === NO_NODE ? undefined : oldest;
  }

  /** All nodes of a list, the oldest first. O(nodes). */
  nodes(list: number): NodeId[] {
    const listed: NodeId[] = [];
    for (let at = this.#oldest[list] as NodeId; at !== NO_NODE; at = this.#newer[at] as NodeId) listed.push(at);
    return listed;
  }

  #grow(node: NodeId): void {
    const capacity = Math.max(node + 1, this.#newer.length * 2);
    const [newer, older] = [new Int32Array(capacity), new Int32Array(capacity)];
    newer.set(this.#newer);
    older.set(this.#older);
    this.#newer = newer;
    this.#older = older;
  }
}
