import { pagesFor } from '@octavo/kv';
import { grownInt32, NO_INT32 } from './columns.ts';
import { PageOrder } from './page-order.ts';
import type { PastColumns } from './past-columns.ts';

/** A node without parent. */
export const ROOT = -1;

/**
 * The leading page runs that the members of a step share, as a forest over their order:
 *
 *     places     0  1  2  3  4        node A: places [0, 3], pages [0, 4)      (a system prompt)
 *     page 0-3   A  A  A  A  .        node B: places [0, 1], pages [4, 9)      (a product)
 *     page 4-8   B  B  .  .  .        leaves: one a place, from the end of its parent to its own end, perhaps no page
 *
 * Nodes [0, sharedCount) are shared ones, children before parents; node sharedCount + place is the leaf of a place.
 * Built from the lengths shared by neighbours with one stack, as a suffix tree is built from an LCP array (Abouelhoda, Kurtz and
 * Ohlebusch, "Replacing suffix trees with enhanced suffix arrays", 2004).
 */
export class PageForest {
  sharedCount = 0;
  nodeCount = 0;
  /** [nodeCount] page after the last one, as index into the tables; a leaf's last page may be partly filled. */
  end = NO_INT32;
  /** [nodeCount] places [first, last]. */
  first = NO_INT32;
  last = NO_INT32;
  /** [nodeCount] */
  parent = NO_INT32;
  /** [nodeCount] rows of the batch below the node. */
  rows = NO_INT32;
  /** Pages that are read at least once, and pages that the rows would read each for itself. */
  uniquePages = 0;
  flatPageReads = 0;

  readonly past: PastColumns;
  /** Tokens a page. */
  readonly pageSize: number;
  readonly #order: PageOrder;
  // Open nodes: end and first place, outermost first; place 0 is the ground, of no pages. Children of a node that is not closed yet
  // are linked through `#sibling` from `#stackChild`.
  #stackEnd = NO_INT32;
  #stackFirst = NO_INT32;
  #stackChild = NO_INT32;
  #sibling = NO_INT32;
  #open = 0;

  constructor(past: PastColumns, pageSize: number) {
    this.past = past;
    this.pageSize = pageSize;
    this.#order = new PageOrder(past);
  }

  /** The member at a place of the order. */
  memberAt(place: number): number {
    return this.#order.order[place]!;
  }

  /** Effect: rebuilds the forest of the columns' present content. O(members) after the order is known; allocates only to grow. */
  build(): void {
    const { past } = this;
    this.#order.arrange(this.pageSize);
    this.#reserve(past.count);
    this.sharedCount = 0;
    this.#open = 1;
    this.#stackEnd[0] = 0;
    this.#stackChild[0] = ROOT;
    const leaves = this.#numberOfShared();
    this.nodeCount = leaves + past.count;
    for (let place = 0; place < past.count; place += 1) {
      const left = this.#order.shared[place]!;
      const right = this.#order.shared[place + 1]!;
      if (right > left) this.#push(right, place, ROOT);
      this.#addLeaf(leaves + place, place);
      if (right < left) this.#closeDownTo(right, place);
    }
    for (let node = this.#stackChild[0]!; node !== ROOT; node = this.#sibling[node]!) this.parent[node] = ROOT;
    this.#count(leaves);
  }

  /** Shared nodes that `build` will make: how often the stack is pushed. Needed first, since leaves are numbered after them. */
  #numberOfShared(): number {
    const { shared } = this.#order;
    let pushed = 0;
    let open = 1;
    for (let place = 1; place <= this.past.count; place += 1) {
      const pages = shared[place]!;
      while (this.#stackEnd[open - 1]! > pages) open -= 1;
      if (this.#stackEnd[open - 1]! < pages) {
        this.#stackEnd[open] = pages;
        open += 1;
        pushed += 1;
      }
    }
    return pushed;
  }

  #push(end: number, first: number, child: number): void {
    this.#stackEnd[this.#open] = end;
    this.#stackFirst[this.#open] = first;
    this.#stackChild[this.#open] = child;
    this.#open += 1;
  }

  #adopt(node: number): void {
    const top = this.#open - 1;
    this.#sibling[node] = this.#stackChild[top]!;
    this.#stackChild[top] = node;
  }

  #addLeaf(node: number, place: number): void {
    const member = this.memberAt(place);
    this.end[node] = pagesFor(this.past.tokens[member]!, this.pageSize);
    this.first[node] = place;
    this.last[node] = place;
    this.rows[node] = this.past.rows[member]!;
    this.#adopt(node);
  }

  /** Closes the open nodes that reach beyond `pages`; the last of them may turn out to be a child of a node that ends there. */
  #closeDownTo(pages: number, place: number): void {
    while (this.#stackEnd[this.#open - 1]! > pages) {
      const top = this.#open - 1;
      const first = this.#stackFirst[top]!;
      const node = this.#close(top, place);
      this.#open -= 1;
      if (this.#stackEnd[this.#open - 1]! < pages) this.#push(pages, first, ROOT);
      this.#adopt(node);
    }
  }

  #close(top: number, last: number): number {
    const node = this.sharedCount;
    this.sharedCount += 1;
    this.end[node] = this.#stackEnd[top]!;
    this.first[node] = this.#stackFirst[top]!;
    this.last[node] = last;
    let rows = 0;
    for (let child = this.#stackChild[top]!; child !== ROOT; child = this.#sibling[child]!) {
      this.parent[child] = node;
      rows += this.rows[child]!;
    }
    this.rows[node] = rows;
    return node;
  }

  #count(leaves: number): void {
    this.uniquePages = 0;
    this.flatPageReads = 0;
    for (let node = 0; node < this.nodeCount; node += 1) {
      const parent = this.parent[node]!;
      this.uniquePages += this.end[node]! - (parent === ROOT ? 0 : this.end[parent]!);
      if (node >= leaves) this.flatPageReads += this.rows[node]! * this.end[node]!;
    }
  }

  #reserve(count: number): void {
    // A forest over n leaves has fewer than n inner nodes; the stack is as deep as they are, and the ground.
    const nodes = 2 * count;
    this.end = grownInt32(this.end, nodes);
    this.first = grownInt32(this.first, nodes);
    this.last = grownInt32(this.last, nodes);
    this.parent = grownInt32(this.parent, nodes);
    this.rows = grownInt32(this.rows, nodes);
    this.#sibling = grownInt32(this.#sibling, nodes);
    this.#stackEnd = grownInt32(this.#stackEnd, count + 1);
    this.#stackFirst = grownInt32(this.#stackFirst, count + 1);
    this.#stackChild = grownInt32(this.#stackChild, count + 1);
  }
}
