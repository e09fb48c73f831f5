import { InvariantBroken } from './errors.ts';
import { INTERNALS } from './internals.ts';
import type { Match, MissReason } from './kv-cache.ts';
import type { IndexOptions, IndexView, LockedMatch, PageRun, PrefixIndex } from './prefix-index.ts';
import { NO_NODE } from './radix-nodes.ts';
import { createRadixParts, type RadixParts } from './radix-parts.ts';
import { RadixPublication } from './radix-publication.ts';
import { RadixRemoval } from './radix-removal.ts';
import { viewRadix } from './radix-view.ts';
import { RadixWalk } from './radix-walk.ts';
import { type NodeId, NULL_PAGE } from './units.ts';

/**
 * A radix tree over full pages, after SGLang's RadixAttention (L. Zheng et al., "SGLang", 2023), with ordered children and a clock-free
 * eviction order. Everything is a column; an operation costs the pages it touches plus log(children) a node.
 *
 *     (salt "a") -- [4 12 9] --+-- [5]
 *                              +-- [7 8] -- [6*]        * sealed: fewer tokens, no children
 */
export class RadixIndex implements PrefixIndex {
  evictedPages = 0;
  readonly #parts: RadixParts;
  readonly #walk: RadixWalk;
  readonly #removal: RadixRemoval;
  readonly #publication: RadixPublication;
  readonly #found: { -readonly [K in keyof LockedMatch]: LockedMatch[K] } = {
    endNode: NO_NODE,
    lockNode: NO_NODE,
    matchedPages: 0,
    sourcePage: NULL_PAGE,
    sourceTokens: 0,
    missReason: 'cold',
  };

  constructor(options: IndexOptions) {
    this.#parts = createRadixParts(options);
    this.#walk = new RadixWalk(this.#parts.nodes, this.#parts.tokens);
    this.#removal = new RadixRemoval(this.#parts);
    this.#publication = new RadixPublication(this.#parts, this.#removal);
  }

  get evictablePages(): number {
    return this.#parts.locks.evictablePages;
  }

  get nodeCount(): number {
    return this.#parts.nodes.liveCount;
  }

  match(tokens: Uint32Array, tokenCount: number, salt: string): Match {
    const walk = this.#follow(tokens, tokenCount, salt);
    const matchedTokens = walk.matchedPages * this.#parts.pageSize + walk.sourceTokens;
    return { matchedTokens, missReason: this.#missReason(tokens, tokenCount, salt) };
  }

  lockMatch(tokens: Uint32Array, tokenCount: number, salt: string): LockedMatch {
    const { nodes, roots, locks } = this.#parts;
    const root = roots.findOrCreate(salt);
    const walk = this.#follow(tokens, tokenCount, salt);
    const found = this.#found;
    found.matchedPages = walk.matchedPages;
    found.sourcePage = walk.sourcePage;
    found.sourceTokens = walk.sourceTokens;
    found.missReason = this.#missReason(tokens, tokenCount, salt);
    found.endNode = walk.matchedPages === 0 ? root.node : nodes.endAt(walk.node, walk.pagesInNode, walk.lastPage);
    // The source is the first page of its node by now: the split above left the tail, which begins with it, in the old node.
    found.lockNode = walk.sourcePage === NULL_PAGE ? found.endNode : nodes.endAt(walk.sourceNode, 1, walk.sourcePage);
    locks.lock(found.lockNode);
    return found;
  }

  lock(node: NodeId): void {
    this.#parts.locks.lock(node);
  }

  unlock(node: NodeId): void {
    this.#parts.locks.unlockUpTo(node, NO_NODE);
  }

  raiseLock(from: NodeId, ancestor: NodeId): void {
    this.#parts.locks.unlockUpTo(from, ancestor);
  }

  isDetached(node: NodeId): boolean {
    return this.#parts.nodes.isDead(node);
  }

  readPath(node: NodeId, table: Int32Array): void {
    const { nodes } = this.#parts;
    let place = 0;
    for (let at = node; at !== NO_NODE; at = nodes.parent(at)) place += nodes.pageCount(at);
    for (let at = node; at !== NO_NODE; at = nodes.parent(at)) {
      for (let page = nodes.lastPage(at); page !== NULL_PAGE; page = nodes.previousPage(page)) table[--place] = page;
    }
  }

  publish(end: NodeId, run: PageRun): NodeId {
    return this.#publication.publish(end, run);
  }

  seal(end: NodeId, run: PageRun, tokenCount: number): NodeId | undefined {
    return this.#publication.seal(end, run, tokenCount);
  }

  evict(): void {
    const { nodes, pool, order, locks, memory, digest } = this.#parts;
    const node = order.victim();
    if (node === undefined) throw new InvariantBroken(4, 'a page was to be evicted, but every node is locked');
    const page = nodes.lastPage(node);
    if (nodes.childCount(node) > 0) throw new InvariantBroken(4, `node ${node} is older than its children`);
    if (pool.references(page) > 0)
      throw new InvariantBroken(3, `page ${page} is held, but its node ${node} is unlocked`);
    digest.startBeforePage(node, page);
    memory.remember(page, digest);
    if (nodes.pageCount(node) > 1) {
      nodes.trim(node);
      locks.evictablePages--;
    } else {
      const parent = nodes.parent(node);
      nodes.unlinkChild(node);
      locks.forget(node);
      nodes.recycle(node);
      if (nodes.isRoot(parent)) this.#parts.roots.dropUnused(parent);
    }
    pool.unpublish(page);
    this.evictedPages++;
  }

  remove(salt: string): number {
    return this.#removal.removeSalt(salt);
  }

  removeAll(): number {
    let pages = 0;
    for (const salt of this.#parts.roots.salts()) pages += this.remove(salt);
    return pages;
  }

  view(): IndexView {
    return viewRadix(this.#parts);
  }

  /** The parts, with their raw columns behind them. Not for callers: see `internals.ts`. */
  [INTERNALS](): RadixParts {
    return this.#parts;
  }

  #follow(tokens: Uint32Array, tokenCount: number, salt: string): RadixWalk {
    const root = this.#parts.roots.find(salt);
    // The last token is always computed: its logits are wanted.
    if (root === undefined) this.#walk.reset(NO_NODE);
    else this.#walk.follow(root.node, tokens, tokenCount - 1);
    return this.#walk;
  }

  /** Why the token after the last walk's match is missing. */
  #missReason(tokens: Uint32Array, tokenCount: number, salt: string): MissReason {
    const { digest, memory, pageSize } = this.#parts;
    const { matchedPages, lastPage, sourceTokens } = this.#walk;
    const from = matchedPages * pageSize;
    const matched = from + sourceTokens;
    if (matched === tokenCount - 1) return 'none';
    if (lastPage === NULL_PAGE) digest.start(salt);
    else digest.startAfterPage(lastPage);
    return memory.explains(tokens, { from, matched, tokenCount }, digest) ? 'evicted' : 'cold';
  }
}
