import { ChildLists } from './child-lists.ts';
import type { Int32Recycler } from './int32-recycler.ts';
import { INTERNALS } from './internals.ts';
import { NodeClaims } from './node-claims.ts';
import type { PageTokens } from './page-tokens.ts';
import { type NodeId, NULL_PAGE, type PageId } from './units.ts';

/** Where a parent chain ends. Node 0 is never handed out. */
export const NO_NODE = 0 as NodeId;

/** Values of the kind column. */
export const NODE_KINDS = { free: 0, root: 1, live: 2, dead: 3 } as const;

/** The raw columns, for the checker. Replaced when the columns grow. */
export interface NodeColumns {
  readonly kind: Uint8Array;
  readonly parent: Int32Array;
  readonly firstPage: Int32Array;
  readonly lastPage: Int32Array;
  readonly pageCount: Int32Array;
  readonly lockCount: Int32Array;
  readonly children: ChildLists;
  readonly nextPage: Int32Array;
  readonly previousPage: Int32Array;
}

/**
 * The nodes of the radix tree as columns, and the moves on them that keep labels, parents and child order consistent.
 * Locks, states of pages and policy are the business of others.
 *
 *     node 7: first 4, last 9, 3 pages        nextPage      4 -> 12 -> 9 -> null
 *             children [11, 8]                ordered by the tokens of their first pages
 *
 * A label is a chain of pages, so that appending is O(1) and a split cuts the chain. Int32 suffices for all ids:
 * a live node holds at least one page of a pool of fewer than 2^31.
 */
export class RadixNodes {
  readonly #tokens: PageTokens;
  /** [pages] */
  readonly #nextPage: Int32Array;
  readonly #previousPage: Int32Array;
  /** Children are in the order of the tokens of their first pages. */
  readonly #children: ChildLists;
  /** What is kept of the claims below each node. */
  readonly claims: NodeClaims;
  // [capacity] each
  #kind: Uint8Array;
  #parent: Int32Array;
  #firstPage: Int32Array;
  #lastPage: Int32Array;
  #pageCount: Int32Array;
  #lockCount: Int32Array;
  /** [capacity] node ids to be used again. */
  #spare: Int32Array;
  #spareCount = 0;
  #end = 1;
  /** Nodes with a label. */
  liveCount = 0;

  constructor(pages: number, tokens: PageTokens, recycler: Int32Recycler) {
    // Every live node holds a page; the rest is for roots and dead nodes, and grows when there are very many.
    const capacity = pages + 64;
    this.#tokens = tokens;
    this.#nextPage = new Int32Array(pages);
    this.#previousPage = new Int32Array(pages);
    this.#kind = new Uint8Array(capacity);
    this.#parent = new Int32Array(capacity);
    this.#firstPage = new Int32Array(capacity);
    this.#lastPage = new Int32Array(capacity);
    this.#pageCount = new Int32Array(capacity);
    this.#lockCount = new Int32Array(capacity);
    this.#children = new ChildLists(capacity, recycler);
    this.claims = new NodeClaims(capacity);
    this.#spare = new Int32Array(capacity);
  }

  /** All node ids are below it. */
  get end(): number {
    return this.#end;
  }

  isRoot(node: NodeId): boolean {
    return this.#kind[node] === NODE_KINDS.root;
  }

  isDead(node: NodeId): boolean {
    return this.#kind[node] === NODE_KINDS.dead;
  }

  parent(node: NodeId): NodeId {
    return this.#parent[node] as NodeId;
  }

  firstPage(node: NodeId): PageId {
    return this.#firstPage[node] as PageId;
  }

  lastPage(node: NodeId): PageId {
    return this.#lastPage[node] as PageId;
  }

  nextPage(page: PageId): PageId {
    return this.#nextPage[page] as PageId;
  }

  previousPage(page: PageId): PageId {
    return this.#previousPage[page] as PageId;
  }

  pageCount(node: NodeId): number {
    return this.#pageCount[node] as number;
  }

  lockCount(node: NodeId): number {
    return this.#lockCount[node] as number;
  }

  setLockCount(node: NodeId, count: number): void {
    this.#lockCount[node] = count;
  }

  childCount(node: NodeId): number {
    return this.#children.count(node);
  }

  child(node: NodeId, place: number): NodeId {
    return this.#children.at(node, place);
  }

  /** [>= childCount] Children in order; a view to be searched, never to be written. */
  children(node: NodeId): Int32Array {
    return this.#children.list(node);
  }

  /** A root: no pages, no parent. O(1). */
  createRoot(): NodeId {
    return this.#create(NODE_KINDS.root, NO_NODE);
  }

  /** A childless node with an empty label at place `place` of the parent's children. O(children). */
  createChild(parent: NodeId, place: number): NodeId {
    const node = this.#create(NODE_KINDS.live, parent);
    this.#children.insert(parent, place, node);
    return node;
  }

  /** Takes a leaf with at least its first page out of its parent's children; the node itself stays. O(children). */
  unlinkChild(node: NodeId): void {
    this.#children.remove(this.parent(node), this.#placeOf(node));
  }

  /** Puts a page at the end of a label. O(1). */
  append(node: NodeId, page: PageId): void {
    const last = this.lastPage(node);
    if (last === NULL_PAGE) this.#firstPage[node] = page;
    else this.#nextPage[last] = page;
    this.#previousPage[page] = last;
    this.#nextPage[page] = NULL_PAGE;
    this.#lastPage[node] = page;
    this.#pageCount[node] = this.pageCount(node) + 1;
  }

  /** Takes the last page off a label. O(1). */
  trim(node: NodeId): void {
    const previous = this.previousPage(this.lastPage(node));
    if (previous === NULL_PAGE) this.#firstPage[node] = NULL_PAGE;
    else this.#nextPage[previous] = NULL_PAGE;
    this.#lastPage[node] = previous;
    this.#pageCount[node] = this.pageCount(node) - 1;
  }

  /**
   * The node whose label ends after the first `pages` pages of the node's label, the last of which is `boundary`: the node itself, or
   * the head of a split. O(log children).
   */
  endAt(node: NodeId, pages: number, boundary: PageId): NodeId {
    return this.pageCount(node) === pages ? node : this.#split(node, pages, boundary);
  }

  /** The node leaves the tree with an empty label, but stays for its locks; its parent link stays too. */
  kill(node: NodeId): void {
    if (this.#kind[node] === NODE_KINDS.live) this.liveCount--;
    this.#kind[node] = NODE_KINDS.dead;
    this.#firstPage[node] = NULL_PAGE;
    this.#lastPage[node] = NULL_PAGE;
    this.#pageCount[node] = 0;
    this.#children.clear(node);
  }

  /** The id may be used for another node. O(1). */
  recycle(node: NodeId): void {
    this.kill(node);
    this.#kind[node] = NODE_KINDS.free;
    this.#parent[node] = NO_NODE;
    this.#lockCount[node] = 0;
    this.#spare[this.#spareCount++] = node;
  }

  /**
   * Place of the first child whose first page is not below `tokens[from..from + count)`, by tokens, a prefix below what it begins.
   * Pure, O(log children) comparisons.
   */
  lowerBound(node: NodeId, tokens: Uint32Array, from: number, count: number): number {
    const children = this.#children.list(node);
    let low = 0;
    let high = this.#children.count(node);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const page = this.#firstPage[children[middle] as number] as PageId;
      if (this.#tokens.compare(page, tokens, from, count) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The raw columns. Not for callers: see `internals.ts`. */
  [INTERNALS](): NodeColumns {
    return {
      kind: this.#kind,
      parent: this.#parent,
      firstPage: this.#firstPage,
      lastPage: this.#lastPage,
      pageCount: this.#pageCount,
      lockCount: this.#lockCount,
      children: this.#children,
      nextPage: this.#nextPage,
      previousPage: this.#previousPage,
    };
  }

  /**
   * Cuts a label after its first `pages` pages, the last of which is `boundary`. The new node takes the head, so that leases
   * that end in `node` still end where they did. Returns the head; both have the node's lock count. O(log children).
   */
  #split(node: NodeId, pages: number, boundary: PageId): NodeId {
    const parent = this.parent(node);
    const place = this.#placeOf(node);
    const head = this.#create(NODE_KINDS.live, parent);
    this.#children.replace(parent, place, head);
    const tailFirst = this.nextPage(boundary);
    this.#firstPage[head] = this.firstPage(node);
    this.#lastPage[head] = boundary;
    this.#pageCount[head] = pages;
    this.#lockCount[head] = this.lockCount(node);
    this.claims.split(node, head);
    this.#nextPage[boundary] = NULL_PAGE;
    this.#previousPage[tailFirst] = NULL_PAGE;
    this.#firstPage[node] = tailFirst;
    this.#pageCount[node] = this.pageCount(node) - pages;
    this.#parent[node] = head;
    this.#children.insert(head, 0, node);
    return head;
  }

  #placeOf(node: NodeId): number {
    const page = this.firstPage(node);
    const from = page * this.#tokens.pageSize;
    return this.lowerBound(this.parent(node), this.#tokens.all, from, this.#tokens.count(page));
  }

  #create(kind: number, parent: NodeId): NodeId {
    if (this.#spareCount === 0 && this.#end === this.#kind.length) this.#growColumns();
    const node = (this.#spareCount > 0 ? this.#spare[--this.#spareCount] : this.#end++) as NodeId;
    this.#kind[node] = kind;
    this.#parent[node] = parent;
    this.claims.reset(node);
    if (kind === NODE_KINDS.live) this.liveCount++;
    return node;
  }

  #growColumns(): void {
    const capacity = this.#kind.length * 2;
    const kind = new Uint8Array(capacity);
    kind.set(this.#kind);
    this.#kind = kind;
    this.#parent = longer(this.#parent, capacity);
    this.#firstPage = longer(this.#firstPage, capacity);
    this.#lastPage = longer(this.#lastPage, capacity);
    this.#pageCount = longer(this.#pageCount, capacity);
    this.#lockCount = longer(this.#lockCount, capacity);
    this.#spare = longer(this.#spare, capacity);
    this.#children.grow(capacity);
    this.claims.grow(capacity);
  }
}

function longer(column: Int32Array, capacity: number): Int32Array {
  const copy = new Int32Array(capacity);
  copy.set(column);
  return copy;
}
