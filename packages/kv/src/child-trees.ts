import { INTERNALS } from './internals.ts';
import type { NodeId } from './units.ts';

// As NO_NODE of the radix tree, which is made of these.
const NONE = 0 as NodeId;

/** Two neighbours in the order of a node's children, where another may go between; 0: there is none on that side. */
export interface ChildPlace {
  readonly below: NodeId;
  readonly above: NodeId;
}

const ALONE: ChildPlace = Object.freeze({ below: NONE, above: NONE });

/** The raw columns, for the checker. Replaced when the columns grow. */
export interface ChildColumns {
  readonly top: Int32Array;
  readonly count: Int32Array;
  readonly lower: Int32Array;
  readonly higher: Int32Array;
  readonly over: Int32Array;
}

/**
 * The children of each node, in an order that the caller decides: a search tree a parent, threaded through columns, so that one child costs no object
 * and a million below one node are as cheap as ten. The trees are treaps (C. Aragon, R. Seidel, "Randomized Search Trees", 1989) with a hash of
 * the node's id for its random priority: a parent always has a higher one than what hangs below it, which makes the shape that of a
 * random order of insertion. So searching is O(log children) expected, and hanging a node in or taking it out is O(1) expected.
 *
 *     top of a node:  8              lower, higher: the two subtrees       over: the node above in the search tree
 *                    / \
 *                   5   11           children in order: 5 8 11
 */
export class ChildTrees {
  // [capacity] each; by parent:
  #top: Int32Array;
  #count: Int32Array;
  // by child:
  #lower: Int32Array;
  #higher: Int32Array;
  #over: Int32Array;

  constructor(capacity: number) {
    this.#top = new Int32Array(capacity);
    this.#count = new Int32Array(capacity);
    this.#lower = new Int32Array(capacity);
    this.#higher = new Int32Array(capacity);
    this.#over = new Int32Array(capacity);
  }

  /** Makes room for node ids below `capacity`. */
  grow(capacity: number): void {
    const longer = (column: Int32Array) => {
      const copy = new Int32Array(capacity);
      copy.set(column);
      return copy;
    };
    this.#top = longer(this.#top);
    this.#count = longer(this.#count);
    this.#lower = longer(this.#lower);
    this.#higher = longer(this.#higher);
    this.#over = longer(this.#over);
  }

  count(parent: NodeId): number {
    return this.#count[parent] as number;
  }

  /** Where a search among the children begins; 0: there are none. */
  top(parent: NodeId): NodeId {
    return this.#top[parent] as NodeId;
  }

  /** Where the search goes on for what is below the child. */
  lower(child: NodeId): NodeId {
    return this.#lower[child] as NodeId;
  }

  /** Where the search goes on for what is above the child. */
  higher(child: NodeId): NodeId {
    return this.#higher[child] as NodeId;
  }

  /** The lowest child; 0: there are none. O(log children) expected. */
  first(parent: NodeId): NodeId {
    const top = this.top(parent);
    return top === NONE ? NONE : this.#lowestIn(top);
  }

  /** The next child in order; 0: there is none. O(1) amortised over a pass. */
  next(child: NodeId): NodeId {
    const higher = this.higher(child);
    if (higher !== NONE) return this.#lowestIn(higher);
    let at = child;
    while (this.#over[at] !== NONE && this.higher(this.#over[at] as NodeId) === at) at = this.#over[at] as NodeId;
    return this.#over[at] as NodeId;
  }

  /** The child before in order; 0: there is none. */
  previous(child: NodeId): NodeId {
    let at = this.lower(child);
    if (at !== NONE) {
      while (this.higher(at) !== NONE) at = this.higher(at);
      return at;
    }
    at = child;
    while (this.#over[at] !== NONE && this.lower(this.#over[at] as NodeId) === at) at = this.#over[at] as NodeId;
    return this.#over[at] as NodeId;
  }

  /** Hangs a node between two neighbours. O(1) expected. */
  insert(parent: NodeId, child: NodeId, { below, above }: ChildPlace): void {
    this.#lower[child] = NONE;
    this.#higher[child] = NONE;
    this.#over[child] = NONE;
    // Of two neighbours one hangs below the other, and has no subtree on the other's side.
    if (below !== NONE && this.higher(below) === NONE) {
      this.#higher[below] = child;
      this.#over[child] = below;
    } else if (above !== NONE) {
      this.#lower[above] = child;
      this.#over[child] = above;
    } else {
      this.#top[parent] = child;
    }
    this.#count[parent] = this.count(parent) + 1;
    const priority = priorityOf(child);
    while (this.#over[child] !== NONE && priorityOf(this.#over[child] as NodeId) < priority) this.#lift(parent, child);
  }

  /** Takes a child out. O(1) expected. */
  remove(parent: NodeId, child: NodeId): void {
    while (this.lower(child) !== NONE && this.higher(child) !== NONE) {
      const isLowerNext = priorityOf(this.lower(child)) > priorityOf(this.higher(child));
      this.#lift(parent, isLowerNext ? this.lower(child) : this.higher(child));
    }
    const rest = this.lower(child) === NONE ? this.higher(child) : this.lower(child);
    this.#hang(parent, this.#over[child] as NodeId, child, rest);
    this.#count[parent] = this.count(parent) - 1;
  }

  /** Another node takes the place of a child. O(log children) expected. */
  replace(parent: NodeId, child: NodeId, other: NodeId): void {
    const place = { below: this.previous(child), above: this.next(child) };
    this.remove(parent, child);
    this.insert(parent, other, place);
  }

  /** Hangs the only child in. O(1). */
  insertOnly(parent: NodeId, child: NodeId): void {
    this.insert(parent, child, ALONE);
  }

  /** Forgets all children. O(1). */
  clear(parent: NodeId): void {
    this.#top[parent] = NONE;
    this.#count[parent] = 0;
  }

  /** The raw columns. Not for callers: see `internals.ts`. */
  [INTERNALS](): ChildColumns {
    return {
      top: this.#top,
      count: this.#count,
      lower: this.#lower,
      higher: this.#higher,
      over: this.#over,
    };
  }

  #lowestIn(subtree: NodeId): NodeId {
    let at = subtree;
    while (this.lower(at) !== NONE) at = this.lower(at);
    return at;
  }

  /** The node changes places with the one over it; the order of all stays. */
  #lift(parent: NodeId, node: NodeId): void {
    const over = this.#over[node] as NodeId;
    const isLower = this.lower(over) === node;
    const between = isLower ? this.higher(node) : this.lower(node);
    this.#hang(parent, this.#over[over] as NodeId, over, node);
    if (isLower) {
      this.#lower[over] = between;
      this.#higher[node] = over;
    } else {
      this.#higher[over] = between;
      this.#lower[node] = over;
    }
    if (between !== NONE) this.#over[between] = over;
    this.#over[over] = node;
  }

  /** What hung at `at` (0: at the parent itself) is `subtree` from here on. */
  #hang(parent: NodeId, at: NodeId, instead: NodeId, subtree: NodeId): void {
    if (at === NONE) this.#top[parent] = subtree;
    else if (this.lower(at) === instead) this.#lower[at] = subtree;
    else this.#higher[at] = subtree;
    if (subtree !== NONE) this.#over[subtree] = at;
  }
}

/** Looks random, differs between any two nodes. Pure. */
function priorityOf(node: NodeId): number {
  let mixed = Math.imul(node ^ (node >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
