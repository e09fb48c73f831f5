import { CLAIM_STATES } from './claim-columns.ts';
import type { ClaimReader } from './claim-reader.ts';
import type { ClaimTerms } from './claim-terms.ts';
import { InvariantBroken } from './errors.ts';
import { INTERNALS } from './internals.ts';
import type { Match, MissReason } from './kv-cache.ts';
import type { IndexOptions, IndexView, LockedMatch, PageRun, PrefixIndex } from './prefix-index.ts';
import { NO_NODE } from './radix-nodes.ts';
import { createRadixParts, type RadixParts } from './radix-parts.ts';
import { RadixPublication } from './radix-publication.ts';
import { RadixReader } from './radix-reader.ts';
import { readWay, viewRadix } from './radix-view.ts';
import { RadixWalk } from './radix-walk.ts';
import { type ClaimId, type NodeId, NULL_PAGE, type PageId } from './units.ts';

/**
 * A radix tree over full pages, after SGLang's RadixAttention (L. Zheng et al., "SGLang", 2023), with ordered children and a clock-free
 * eviction order. Everything is a column; an operation costs the pages it touches plus log(children) a node.
 *
 *     (salt "a") -- [4 12 9] --+-- [5]
 *                              +-- [7 8] -- [6*]        * sealed: fewer tokens, no children
 */
export class RadixIndex implements PrefixIndex {
  evictedPages = 0;
  readonly reader: ClaimReader;
  readonly #parts: RadixParts;
  readonly #walk: RadixWalk;
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
    this.#walk = new RadixWalk(this.#parts);
    this.reader = new RadixReader(this.#parts);
    this.#publication = new RadixPublication(this.#parts);
  }

  get evictablePages(): number {
    return this.#parts.locks.evictablePages;
  }

  get nodeCount(): number {
    return this.#parts.nodes.liveCount;
  }

  get removedPages(): number {
    return this.#parts.removal.removedPages;
  }

  get pinnedPages(): number {
    return this.#parts.locks.pinnedPages;
  }

  get claimCount(): number {
    return this.#parts.columns.liveCount;
  }

  get endedClaims(): number {
    return this.#parts.claims.endedClaims;
  }

  match(tokens: Uint32Array, tokenCount: number, salt: string): Match {
    // The last token is always computed: its logits are wanted.
    const walk = this.#follow(tokens, tokenCount - 1, salt);
    const matchedTokens = walk.matchedPages * this.#parts.pageSize + walk.sourceTokens;
    return { matchedTokens, missReason: this.#missReason(tokens, tokenCount, salt) };
  }

  lockMatch(tokens: Uint32Array, tokenCount: number, salt: string): LockedMatch {
    const found = this.#lockUpTo(tokens, tokenCount - 1, salt);
    found.missReason = this.#missReason(tokens, tokenCount, salt);
    this.#parts.times.touch(found.lockNode);
    return found;
  }

  lockWhole(tokens: Uint32Array, tokenCount: number, salt: string): LockedMatch {
    return this.#lockUpTo(tokens, tokenCount, salt);
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
    const { nodes, pool, order, locks, claims, removal } = this.#parts;
    const node = order.victim();
    if (node === undefined)
      throw new InvariantBroken(4, 'a page was to be evicted, but every node is locked or pinned');
    const page = nodes.lastPage(node);
    if (nodes.childCount(node) > 0) throw new InvariantBroken(4, `node ${node} is older than its children`);
    if (pool.references(page) > 0)
      throw new InvariantBroken(3, `page ${page} is held, but its node ${node} is unlocked`);
    removal.tellEvicted(node, page);
    if (nodes.pageCount(node) > 1) {
      order.trimmed(node);
      nodes.trim(node);
      locks.evictablePages--;
    } else {
      const parent = nodes.parent(node);
      nodes.unlinkChild(node);
      locks.withdraw(node);
      claims.moveUp(node);
      nodes.recycle(node);
      if (nodes.isRoot(parent)) this.#parts.roots.dropUnused(parent);
    }
    pool.unpublish(page);
    this.evictedPages++;
  }

  remove(salt: string, reason?: 'invalidated'): number {
    const { removal, claims } = this.#parts;
    return removal.removeSalt(salt, reason, (node, pinEnd) => claims.abandon(node, pinEnd));
  }

  removeAll(): number {
    let pages = 0;
    for (const salt of this.#parts.roots.salts()) pages += this.remove(salt);
    return pages;
  }

  hold(node: NodeId, terms: ClaimTerms): ClaimId {
    return this.#parts.claims.hold(node, terms);
  }

  extend(claim: ClaimId, node: NodeId): void {
    this.#parts.claims.extend(claim, node);
  }

  isEnded(claim: ClaimId): boolean {
    return this.#parts.columns.state(claim) === CLAIM_STATES.ended;
  }

  settle(claim: ClaimId, deadlineMs: number): ClaimId | undefined {
    return this.#parts.claims.settle(claim, deadlineMs);
  }

  end(claim: ClaimId, reason: 'invalidated' | 'expired'): void {
    this.#parts.claims.end(claim, reason);
  }

  endAll(terms: ClaimTerms, reason: 'invalidated' | 'expired', work?: { left: number }): void {
    this.#parts.claims.endAll(terms, reason, work);
  }

  expire(work: { left: number }): void {
    this.#parts.claims.expire(work);
  }

  isExpiryBehind(): boolean {
    const { wheel, clock } = this.#parts;
    return wheel.isBehind(clock.nowMs);
  }

  endOnWay(node: NodeId, pages: number, table: Int32Array): NodeId {
    const { nodes } = this.#parts;
    let end = this.wayTo(node).pages;
    // A dead node has lost its pages: the way ends above it.
    const wanted = Math.min(pages, end);
    let at = node;
    while (end - nodes.pageCount(at) >= wanted && !nodes.isRoot(at)) {
      end -= nodes.pageCount(at);
      at = nodes.parent(at);
    }
    if (nodes.isRoot(at)) return at;
    return nodes.endAt(at, wanted - (end - nodes.pageCount(at)), table[wanted - 1] as PageId);
  }

  wayTo(node: NodeId): { readonly pages: number; readonly unpinnedPages: number } {
    const { nodes } = this.#parts;
    let pages = 0;
    let unpinnedPages = 0;
    for (let at = node; at !== NO_NODE; at = nodes.parent(at)) {
      pages += nodes.pageCount(at);
      if (!nodes.claims.isPinned(at)) unpinnedPages += nodes.pageCount(at);
    }
    return { pages, unpinnedPages };
  }

  addSaved(node: NodeId, tokens: number): void {
    this.#parts.nodes.claims.addSaved(node, tokens);
  }

  topSaved(limit: number): readonly { readonly node: NodeId; readonly savedTokens: number }[] {
    const { nodes } = this.#parts;
    const top: NodeId[] = [];
    for (let id = 1; id < nodes.end; id++) {
      const node = id as NodeId;
      const saved = nodes.claims.savedTokens(node);
      if (saved === 0 || nodes.pageCount(node) === 0) continue;
      const at = top.findIndex((other) => nodes.claims.savedTokens(other) < saved);
      if (at >= 0) top.splice(at, 0, node);
      else if (top.length < limit) top.push(node);
      if (top.length > limit) top.pop();
    }
    return top.map((node) => ({ node, savedTokens: nodes.claims.savedTokens(node) }));
  }

  readTokens(node: NodeId): { readonly salt: string; readonly tokens: Uint32Array } {
    return readWay(this.#parts, node);
  }

  view(): IndexView {
    return viewRadix(this.#parts);
  }

  /** The parts, with their raw columns behind them. Not for callers: see `internals.ts`. */
  [INTERNALS](): RadixParts {
    return this.#parts;
  }

  #lockUpTo(tokens: Uint32Array, limit: number, salt: string): { -readonly [K in keyof LockedMatch]: LockedMatch[K] } {
    const { nodes, roots, locks } = this.#parts;
    const walk = this.#follow(tokens, limit, salt);
    const root = roots.findOrCreate(salt);
    const found = this.#found;
    found.matchedPages = walk.matchedPages;
    found.sourcePage = walk.sourcePage;
    found.sourceTokens = walk.sourceTokens;
    found.endNode = walk.matchedPages === 0 ? root.node : nodes.endAt(walk.node, walk.pagesInNode, walk.lastPage);
    // The source is the first page of its node by now: the split above left the tail, which begins with it, in the old node.
    found.lockNode = walk.sourcePage === NULL_PAGE ? found.endNode : nodes.endAt(walk.sourceNode, 1, walk.sourcePage);
    locks.lock(found.lockNode);
    return found;
  }

  /** Follows at most `limit` tokens through what lives now. */
  #follow(tokens: Uint32Array, limit: number, salt: string): RadixWalk {
    const root = this.#parts.roots.find(salt);
    if (root === undefined) this.#walk.reset(NO_NODE);
    else this.#walk.follow(root.node, tokens, limit, this.isExpiryBehind() ? 'checked' : 'trusted');
    return this.#walk;
  }

  /** Why the token after the last walk's match is missing. */
  #missReason(tokens: Uint32Array, tokenCount: number, salt: string): MissReason {
    const { digest, memory, pageSize } = this.#parts;
    const { matchedPages, lastPage, sourceTokens, metExpired } = this.#walk;
    const from = matchedPages * pageSize;
    const matched = from + sourceTokens;
    if (matched === tokenCount - 1) return 'none';
    if (metExpired) return 'expired';
    if (lastPage === NULL_PAGE) digest.start(salt);
    else digest.startAfterPage(lastPage);
    return memory.explain(tokens, { from, matched, tokenCount }, digest);
  }
}
