import type { Int32Recycler } from './int32-recycler.ts';
import type { NodeId } from './units.ts';

const NO_CHILDREN = new Int32Array(0);

/** One list of nodes for each node, in an order that the caller decides. Most nodes have no or one child, a few have thousands. */
export class ChildLists {
  readonly #recycler: Int32Recycler;
  /** [capacity] */
  readonly #lists: Int32Array[] = [];
  #counts: Int32Array;

  constructor(capacity: number, recycler: Int32Recycler) {
    this.#recycler = recycler;
    this.#counts = new Int32Array(0);
    this.grow(capacity);
  }

  /** Makes room for node ids below `capacity`. */
  grow(capacity: number): void {
    const counts = new Int32Array(capacity);
    counts.set(this.#counts);
    this.#counts = counts;
    while (this.#lists.length < capacity) this.#lists.push(NO_CHILDREN);
  }

  count(node: NodeId): number {
    return this.#counts[node] as number;
  }

  /** [>= count] The list itself, to be searched; never written by others. */
  list(node: NodeId): Int32Array {
    return this.#lists[node] as Int32Array;
  }

  at(node: NodeId, place: number): NodeId {
    return this.list(node)[place] as NodeId;
  }

  /** O(children after `place`), as one move of memory. */
  insert(node: NodeId, place: number, child: NodeId): void {
    const count = this.count(node);
    let list = this.list(node);
    if (list.length === 0) list = this.#recycler.take(1);
    else if (list.length === count) list = this.#recycler.grow(list, count, count + 1);
    list.copyWithin(place + 1, place, count);
    list[place] = child;
    this.#lists[node] = list;
    this.#counts[node] = count + 1;
  }

  replace(node: NodeId, place: number, child: NodeId): void {
    this.list(node)[place] = child;
  }

  /** O(children after `place`), as one move of memory. */
  remove(node: NodeId, place: number): void {
    const count = this.count(node);
    this.list(node).copyWithin(place, place + 1, count);
    this.#counts[node] = count - 1;
    if (count === 1) this.clear(node);
  }

  /** Gives the list's memory back. O(1). */
  clear(node: NodeId): void {
    const list = this.list(node);
    if (list.length > 0) this.#recycler.give(list);
    this.#lists[node] = NO_CHILDREN;
    this.#counts[node] = 0;
  }
}
