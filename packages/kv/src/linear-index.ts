import type { ClaimReader } from './claim-reader.ts';
import type { ClaimTerms } from './claim-terms.ts';
import { InvariantBroken } from './errors.ts';
import type { Match } from './kv-cache.ts';
import { LinearClaims } from './linear-claims.ts';
import { type Entry, isLive, LinearEntries, pathTo } from './linear-entries.ts';
import { LinearReader } from './linear-reader.ts';
import { type FoundPath, findPath } from './linear-search.ts';
import { LinearStory } from './linear-story.ts';
import { viewLinear } from './linear-view.ts';
import type { PagePool } from './page-pool.ts';
import type { IndexOptions, IndexView, LockedMatch, PageRun, PrefixIndex, RemovalReason } from './prefix-index.ts';
import { commonTokens, compareTokens, tokensAt } from './token-order.ts';
import { type ClaimId, type NodeId, NULL_PAGE, type PageId } from './units.ts';

/**
 * The naive index: one entry a page, found by looking at all of them. It keeps nothing that could be computed, so it is easy to believe:
 * the oracle of the radix index's tests, and the row that the benches compare with. Same behaviour, O(entries) an operation.
 */
export class LinearIndex implements PrefixIndex {
  evictedPages = 0;
  removedPages = 0;
  readonly reader: ClaimReader;
  readonly #pool: PagePool;
  readonly #pageSize: number;
  readonly #options: IndexOptions;
  readonly #story: LinearStory;
  readonly #entries = new LinearEntries();
  readonly #claims: LinearClaims;
  #nextNode = 1;

  constructor(options: IndexOptions) {
    this.#pool = options.pool;
    this.#pageSize = options.pageSize;
    this.#options = options;
    this.#story = new LinearStory(options, this.#entries);
    this.#claims = new LinearClaims({
      ...options,
      entries: this.#entries,
      takeOut: (entry, reason) => {
        this.removedPages++;
        this.#takeOut([entry], reason);
      },
      tick: () => ++this.#entries.ticks,
    });
    this.reader = new LinearReader(this.#entries, this.#claims);
  }

  get evictablePages(): number {
    return this.#entries.evictable().length;
  }

  get nodeCount(): number {
    return this.#entries.pages().length;
  }

  get pinnedPages(): number {
    return [...this.#entries.pinned()].filter((entry) => isLive(entry) && entry.parent !== undefined).length;
  }

  get claimCount(): number {
    return this.#entries.claims.filter(({ isOver }) => !isOver).length;
  }

  get endedClaims(): number {
    return this.#claims.endedClaims;
  }

  match(tokens: Uint32Array, tokenCount: number, salt: string): Match {
    const found = this.#find(tokens, tokenCount - 1, salt);
    const matchedTokens = found.path.length * this.#pageSize + found.sourceTokens;
    return {
      matchedTokens,
      missReason: this.#story.explain(tokensAt(tokens, 0, tokenCount), matchedTokens, found, salt),
    };
  }

  lockMatch(tokens: Uint32Array, tokenCount: number, salt: string): LockedMatch {
    const found = this.#find(tokens, tokenCount - 1, salt);
    const matchedTokens = found.path.length * this.#pageSize + found.sourceTokens;
    const missReason = this.#story.explain(tokensAt(tokens, 0, tokenCount), matchedTokens, found, salt);
    const locked = this.#lockFound(found, salt);
    for (const at of this.#pathTo(locked.lockNode)) {
      at.lastUsedMs = this.#options.clock.nowMs;
      at.isReused = true;
    }
    return { ...locked, missReason };
  }

  lockWhole(tokens: Uint32Array, tokenCount: number, salt: string): LockedMatch {
    return this.#lockFound(this.#find(tokens, tokenCount, salt), salt);
  }

  lock(node: NodeId): void {
    for (const entry of this.#pathTo(node)) entry.lockCount++;
  }

  unlock(node: NodeId): void {
    this.#entries.unlockAll(this.#pathTo(node));
  }

  raiseLock(from: NodeId, ancestor: NodeId): void {
    const stay = this.#pathTo(ancestor);
    this.#entries.unlockAll(this.#pathTo(from).filter((entry) => !stay.includes(entry)));
  }

  isDetached(node: NodeId): boolean {
    return this.#entry(node).removed;
  }

  readPath(node: NodeId, table: Int32Array): void {
    const pages = this.#pathTo(node).filter((entry) => entry.parent !== undefined);
    pages.forEach((entry, place) => {
      table[place] = entry.page;
    });
  }

  publish(end: NodeId, run: PageRun): NodeId {
    let node = end;
    for (let place = run.firstPage; place < run.endPage; place++) {
      node = this.#publishPage(this.#entry(node), run, { place, tokenCount: this.#pageSize }).node;
    }
    return node;
  }

  seal(end: NodeId, run: PageRun, tokenCount: number): NodeId | undefined {
    const parent = this.#entry(end);
    const tokens = tokensAt(run.tokens, run.firstPage * this.#pageSize, tokenCount);
    const longer = this.#entries
      .childrenOf(parent)
      .some(
        (child) =>
          (child.tokens.length > tokenCount || run.keepsOwn) && commonTokens(child.tokens, tokens) === tokenCount,
      );
    return longer ? undefined : this.#publishPage(parent, run, { place: run.firstPage, tokenCount }).node;
  }

  evict(): void {
    const oldest = this.#entries.victim();
    if (oldest === undefined)
      throw new InvariantBroken(4, 'a page was to be evicted, but every entry is locked or pinned');
    if (this.#entries.childrenOf(oldest).length > 0)
      throw new InvariantBroken(4, `node ${oldest.node} is older than its children`);
    this.evictedPages++;
    this.#claims.moveUp(oldest);
    this.#takeOut([oldest], 'evicted');
  }

  remove(salt: string, reason?: 'invalidated'): number {
    const entries = this.#entries.all.filter((entry) => isLive(entry) && entry.salt === salt);
    const pages = entries.filter((entry) => entry.parent !== undefined);
    this.removedPages += pages.length;
    for (const entry of entries) this.#claims.abandon(entry, reason ?? 'cleared');
    this.#takeOut(entries, reason);
    return pages.length;
  }

  removeAll(): number {
    const salts = new Set(this.#entries.all.filter(isLive).map((entry) => entry.salt));
    return [...salts].reduce((pages, salt) => pages + this.remove(salt), 0);
  }

  hold(node: NodeId, terms: ClaimTerms): ClaimId {
    return this.#claims.hold(this.#entry(node), terms);
  }

  extend(claim: ClaimId, node: NodeId): void {
    this.#claims.get(claim).entry = this.#entry(node);
  }

  isEnded(claim: ClaimId): boolean {
    return this.#claims.get(claim).isOver;
  }

  settle(claim: ClaimId, deadlineMs: number): ClaimId | undefined {
    return this.#claims.settle(claim, deadlineMs);
  }

  end(claim: ClaimId, reason: 'invalidated' | 'expired'): void {
    this.#claims.end(claim, reason);
  }

  endAll(terms: ClaimTerms, reason: 'invalidated' | 'expired', work?: { left: number }): void {
    this.#claims.endAll(terms, reason, work);
  }

  readonly isExpiryBehind = (): boolean => this.#claims.isLate;

  expire(): void {
    this.#claims.expire();
  }

  endOnWay(node: NodeId, pages: number): NodeId {
    const way = this.#pathTo(node).filter(isLive);
    return (way[Math.min(pages, way.length - 1)] as Entry).node;
  }

  wayTo(node: NodeId): { readonly pages: number; readonly unpinnedPages: number } {
    const path = this.#pathTo(node).slice(1).filter(isLive);
    return { pages: path.length, unpinnedPages: path.filter((entry) => !this.#entries.isPinned(entry)).length };
  }

  addSaved(node: NodeId, tokens: number): void {
    this.#entry(node).savedTokens += tokens;
  }

  topSaved(limit: number): readonly { readonly node: NodeId; readonly savedTokens: number }[] {
    const saved = this.#entries.pages().filter(({ savedTokens }) => savedTokens > 0);
    return saved.sort((a, b) => b.savedTokens - a.savedTokens).slice(0, limit);
  }

  readTokens(node: NodeId): { readonly salt: string; readonly tokens: Uint32Array } {
    const path = this.#pathTo(node);
    return { salt: path[0]?.salt ?? '', tokens: Uint32Array.from(path.flatMap(({ tokens }) => tokens)) };
  }

  view(): IndexView {
    return viewLinear(this.#entries, this.#claims, this);
  }

  #find(tokens: Uint32Array, limit: number, salt: string): FoundPath {
    const root = this.#rootOf(salt);
    const isAlive = this.#claims.isLate ? (entry: Entry) => this.#claims.isLive(entry) : () => true;
    return findPath(this.#entries, { root, pageSize: this.#pageSize, isAlive }, tokensAt(tokens, 0, limit));
  }

  #lockFound({ path, source, sourceTokens }: FoundPath, salt: string): LockedMatch {
    const end = path.at(-1) ?? this.#rootOf(salt) ?? this.#add(salt, undefined, { page: NULL_PAGE, tokens: [] });
    const lockNode = (source ?? end).node;
    this.lock(lockNode);
    return {
      endNode: end.node,
      lockNode,
      matchedPages: path.length,
      sourcePage: source?.page ?? NULL_PAGE,
      sourceTokens,
      missReason: 'none',
    };
  }

  /** One page: the table takes the published twin if there is one; a sealed page that it begins with gives way otherwise. */
  #publishPage(parent: Entry, run: PageRun, part: { readonly place: number; readonly tokenCount: number }): Entry {
    const page = run.table[part.place] as PageId;
    const tokens = tokensAt(run.tokens, part.place * this.#pageSize, part.tokenCount);
    const twin = this.#entries.childrenOf(parent).find((child) => compareTokens(child.tokens, tokens) === 0);
    if (twin !== undefined) {
      twin.lockCount++;
      this.#pool.retain(twin.page);
      run.table[part.place] = twin.page;
      this.#pool.release(page);
      return twin;
    }
    const shadowed = this.#entries
      .childrenOf(parent)
      .filter((child) => commonTokens(child.tokens, tokens) === child.tokens.length);
    const before = this.#entries.tokensBefore({ parent });
    this.#story.ghosts.remove(parent.salt, [...before, ...tokens.slice(0, 1)]);
    this.#story.ghosts.remove(parent.salt, [...before, ...tokens]);
    const entry = this.#add(parent.salt, parent, { page, tokens });
    entry.lockCount = 1;
    this.#pool.publish(page);
    run.storedTokens += tokens.length;
    this.#story.stored(entry, run);
    for (const each of shadowed) this.#claims.absorb(each, entry);
    this.#takeOut(shadowed, 'replaced');
    return entry;
  }

  #takeOut(entries: readonly Entry[], reason: RemovalReason | undefined): void {
    for (const entry of entries) {
      if (entry.parent !== undefined && reason !== undefined) this.#story.removed(entry, reason);
      entry.removed = true;
      if (entry.parent !== undefined) this.#pool.unpublish(entry.page);
    }
    this.#entries.dropUnused();
  }

  #add(salt: string, parent: Entry | undefined, content: { page: PageId; tokens: readonly number[] }): Entry {
    const node = this.#nextNode++ as NodeId;
    const fresh = { lockCount: 0, orderedAt: 0, lastUsedMs: 0, isReused: false, savedTokens: 0, removed: false };
    const entry: Entry = { node, salt, parent, ...content, ...fresh };
    this.#entries.all.push(entry);
    return entry;
  }

  #rootOf(salt: string): Entry | undefined {
    return this.#entries.all.find((entry) => isLive(entry) && entry.parent === undefined && entry.salt === salt);
  }

  #entry(node: NodeId): Entry {
    const entry = this.#entries.all.find((candidate) => candidate.node === node);
    if (entry === undefined) throw new InvariantBroken(4, `node ${node} is gone, but somebody holds it`);
    return entry;
  }

  /** From the root to the node. */
  #pathTo(node: NodeId): Entry[] {
    return pathTo(this.#entry(node));
  }
}
