import { type ChildColumns, type ChildPlace, ChildTrees } from './child-trees.ts';
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
  readonly children: ChildColumns;
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
  /** In the order of the tokens of their first pages; to be searched by others, never to be changed. */
  readonly children: ChildTrees;
  readonly #place = { below: NO_NODE, above: NO_NODE };
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

  constructor(pages: number, tokens: PageTokens) {
    // A live or dead node has a page, and a root has a page below it or a lease with one. What is never needed is never touched, so it costs
    // addresses, not memory.
    const capacity = 2 * pages + 64;
    this.#tokens = tokens;
    this.#nextPage = new Int32Array(pages);
    this.#previousPage = new Int32Array(pages);
    this.#kind = new Uint8Array(capacity);
    this.#parent = new Int32Array(capacity);
    this.#firstPage = new Int32Array(capacity);
    this.#lastPage = new Int32Array(capacity);
    this.#pageCount = new Int32Array(capacity);
    this.#lockCount = new Int32Array(capacity);
    this.children = new ChildTrees(capacity);
    this.claims = new NodeClaims(capacity);
    this.#spare = new Int32Array(capacity);
  }

  /** Node ids that there is room for. */
  get capacity(): number {
    return this.#kind.length;
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
    return this.children.count(node);
  }

  /** A root: no pages, no parent. O(1). */
  createRoot(): NodeId {
    return this.#create(NODE_KINDS.root, NO_NODE);
  }

  /** A childless node with an empty label, between two neighbours. O(1) expected. */
  createChild(parent: NodeId, place: ChildPlace): NodeId {
    const node = this.#create(NODE_KINDS.live, parent);
    this.children.insert(parent, node, place);
    return node;
  }

  /** Takes a leaf out of its parent's children; the node itself stays. O(1) expected. */
  unlinkChild(node: NodeId): void {
    this.children.remove(this.parent(node), node);
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
    this.children.clear(node);
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
   * The first child whose first page is not below `tokens[from..from + count)`, by tokens, a prefix below what it begins, and the child before it.
   * Overwritten by the next call. O(log children) comparisons expected, allocates nothing.
   */
  findPlace(node: NodeId, tokens: Uint32Array, from: number, count: number): ChildPlace {
    const place = this.#place;
    place.below = NO_NODE;
    place.above = NO_NODE;
    let at = this.children.top(node);
    while (at !== NO_NODE) {
      if (this.#tokens.compare(this.firstPage(at), tokens, from, count) < 0) {
        place.below = at;
        at = this.children.higher(at);
      } else {
        place.above = at;
        at = this.children.lower(at);
      }
    }
    return place;
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
      children: this.children[INTERNALS](),
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
    const head = this.#create(NODE_KINDS.live, parent);
    this.children.replace(parent, node, head);
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
    this.children.insertOnly(head, node);
    return head;
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
    this.children.grow(capacity);
    this.claims.grow(capacity);
  }
}

function longer(column: Int32Array, capacity: number): Int32Array {
  const copy = new Int32Array(capacity);
  copy.set(column);
  return copy;
}
