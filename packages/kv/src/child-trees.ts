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

/** Places of a node's links. They stand together, since whoever follows one needs another: one cache line instead of three. */
export const CHILD_LINKS = { lower: 0, higher: 1, over: 2, top: 3 } as const;
const { lower: LOWER, higher: HIGHER, over: OVER, top: TOP } = CHILD_LINKS;
export const LINKS_PER_NODE = 4;

/** The raw columns, for the checker. Replaced when the columns grow. */
export interface ChildColumns {
  /** [capacity, LINKS_PER_NODE] */
  readonly links: Int32Array;
  /** [capacity] */
  readonly count: Int32Array;
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
  /** [capacity, LINKS_PER_NODE] `top` as a parent, the others as a child. */
  #links: Int32Array;
  /** [capacity] children */
  #count: Int32Array;

  constructor(capacity: number) {
    this.#links = new Int32Array(capacity * LINKS_PER_NODE);
    this.#count = new Int32Array(capacity);
  }

  /** Makes room for node ids below `capacity`. */
  grow(capacity: number): void {
    const [links, count] = [new Int32Array(capacity * LINKS_PER_NODE), new Int32Array(capacity)];
    links.set(this.#links);
    count.set(this.#count);
    this.#links = links;
    this.#count = count;
  }

  count(parent: NodeId): number {
    return this.#count[parent] as number;
  }

  /** Where a search among the children begins; 0: there are none. */
  top(parent: NodeId): NodeId {
    return this.#at(parent, TOP);
  }

  /** Where the search goes on for what is below the child. */
  lower(child: NodeId): NodeId {
    return this.#at(child, LOWER);
  }

  /** Where the search goes on for what is above the child. */
  higher(child: NodeId): NodeId {
    return this.#at(child, HIGHER);
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
    while (this.#at(at, OVER) !== NONE && this.higher(this.#at(at, OVER)) === at) at = this.#at(at, OVER);
    return this.#at(at, OVER);
  }

  /** The child before in order; 0: there is none. */
  previous(child: NodeId): NodeId {
    let at = this.lower(child);
    if (at !== NONE) {
      while (this.higher(at) !== NONE) at = this.higher(at);
      return at;
    }
    at = child;
    while (this.#at(at, OVER) !== NONE && this.lower(this.#at(at, OVER)) === at) at = this.#at(at, OVER);
    return this.#at(at, OVER);
  }

  /** Hangs a node between two neighbours. O(1) expected. */
  insert(parent: NodeId, child: NodeId, { below, above }: ChildPlace): void {
    this.#set(child, LOWER, NONE);
    this.#set(child, HIGHER, NONE);
    this.#set(child, OVER, NONE);
    // Of two neighbours one hangs below the other, and has no subtree on the other's side.
    if (below !== NONE && this.higher(below) === NONE) {
      this.#set(below, HIGHER, child);
      this.#set(child, OVER, below);
    } else if (above !== NONE) {
      this.#set(above, LOWER, child);
      this.#set(child, OVER, above);
    } else {
      this.#set(parent, TOP, child);
    }
    this.#count[parent] = this.count(parent) + 1;
    const priority = priorityOf(child);
    while (this.#at(child, OVER) !== NONE && priorityOf(this.#at(child, OVER)) < priority) this.#lift(parent, child);
  }

  /** Takes a child out. O(1) expected. */
  remove(parent: NodeId, child: NodeId): void {
    while (this.lower(child) !== NONE && this.higher(child) !== NONE) {
      const isLowerNext = priorityOf(this.lower(child)) > priorityOf(this.higher(child));
      this.#lift(parent, isLowerNext ? this.lower(child) : this.higher(child));
    }
    const rest = this.lower(child) === NONE ? this.higher(child) : this.lower(child);
    this.#hang(parent, this.#at(child, OVER), child, rest);
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
    this.#set(parent, TOP, NONE);
    this.#count[parent] = 0;
  }

  /** The raw columns. Not for callers: see `internals.ts`. */
  [INTERNALS](): ChildColumns {
    return { links: this.#links, count: this.#count };
  }

  #at(node: NodeId, link: number): NodeId {
    return this.#links[node * LINKS_PER_NODE + link] as NodeId;
  }

  #set(node: NodeId, link: number, to: NodeId): void {
    this.#links[node * LINKS_PER_NODE + link] = to;
  }

  #lowestIn(subtree: NodeId): NodeId {
    let at = subtree;
    while (this.lower(at) !== NONE) at = this.lower(at);
    return at;
  }

  /** The node changes places with the one over it; the order of all stays. */
  #lift(parent: NodeId, node: NodeId): void {
    const over = this.#at(node, OVER);
    const isLower = this.lower(over) === node;
    const between = isLower ? this.higher(node) : this.lower(node);
    this.#hang(parent, this.#at(over, OVER), over, node);
    if (isLower) {
      this.#set(over, LOWER, between);
      this.#set(node, HIGHER, over);
    } else {
      this.#set(over, HIGHER, between);
      this.#set(node, LOWER, over);
    }
    if (between !== NONE) this.#set(between, OVER, over);
    this.#set(over, OVER, node);
  }

  /** What hung at `at` (0: at the parent itself) is `subtree` from here on. */
  #hang(parent: NodeId, at: NodeId, instead: NodeId, subtree: NodeId): void {
    if (at === NONE) this.#set(parent, TOP, subtree);
    else if (this.lower(at) === instead) this.#set(at, LOWER, subtree);
    else this.#set(at, HIGHER, subtree);
    if (subtree !== NONE) this.#set(subtree, OVER, at);
  }
}

/** Looks random, differs between any two nodes. Signed: numbers from 2^31 on would be objects. Pure. */
function priorityOf(node: NodeId): number {
  let mixed = Math.imul(node ^ (node >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
  return mixed ^ (mixed >>> 15);
}
