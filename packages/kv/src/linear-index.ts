import { InvariantBroken } from './errors.ts';
import type { Match, MissReason } from './kv-cache.ts';
import { LinearGhosts } from './linear-ghosts.ts';
import type { PagePool } from './page-pool.ts';
import type { IndexOptions, IndexView, LockedMatch, PageRun, PrefixIndex } from './prefix-index.ts';
import { commonTokens, compareTokens, isNearer, tokensAt } from './token-order.ts';
import { type NodeId, NULL_PAGE, type PageId } from './units.ts';

/** One page (none for the root of a salt), and everything there is to say about it. */
interface Entry {
  readonly node: NodeId;
  readonly salt: string;
  readonly parent: Entry | undefined;
  readonly page: PageId;
  readonly tokens: readonly number[];
  lockCount: number;
  /** When it was unlocked last; the smallest is evicted next. */
  unlockedAt: number;
  removed: boolean;
}

/**
 * The naive index: one entry a page, found by looking at all of them. It keeps nothing that could be computed, so it is easy to believe:
 * the oracle of the radix index's tests, and the row that the benches compare with. Same behaviour, O(entries) an operation.
 */
export class LinearIndex implements PrefixIndex {
  evictedPages = 0;
  readonly #pool: PagePool;
  readonly #pageSize: number;
  readonly #ghosts: LinearGhosts;
  #entries: Entry[] = [];
  #nextNode = 1;
  #clock = 0;

  constructor(options: IndexOptions) {
    this.#pool = options.pool;
    this.#pageSize = options.pageSize;
    this.#ghosts = new LinearGhosts(options.ghostEntries * 2);
  }

  get evictablePages(): number {
    return this.#entries.filter(isEvictable).length;
  }

  get nodeCount(): number {
    return this.#entries.filter((entry) => isLive(entry) && entry.parent !== undefined).length;
  }

  match(tokens: Uint32Array, tokenCount: number, salt: string): Match {
    const found = this.#find(tokens, tokenCount, salt);
    const matchedTokens = found.path.length * this.#pageSize + found.sourceTokens;
    return { matchedTokens, missReason: this.#missReason(tokensAt(tokens, 0, tokenCount), matchedTokens, salt) };
  }

  lockMatch(tokens: Uint32Array, tokenCount: number, salt: string): LockedMatch {
    const { path, source, sourceTokens } = this.#find(tokens, tokenCount, salt);
    const end = path.at(-1) ?? this.#rootOf(salt) ?? this.#add(salt, undefined, { page: NULL_PAGE, tokens: [] });
    const matchedTokens = path.length * this.#pageSize + sourceTokens;
    const lockNode = (source ?? end).node;
    this.lock(lockNode);
    return {
      endNode: end.node,
      lockNode,
      matchedPages: path.length,
      sourcePage: source?.page ?? NULL_PAGE,
      sourceTokens,
      missReason: this.#missReason(tokensAt(tokens, 0, tokenCount), matchedTokens, salt),
    };
  }

  lock(node: NodeId): void {
    for (const entry of this.#pathTo(node)) entry.lockCount++;
  }

  unlock(node: NodeId): void {
    this.#unlockAll(this.#pathTo(node));
  }

  raiseLock(from: NodeId, ancestor: NodeId): void {
    const stay = this.#pathTo(ancestor);
    this.#unlockAll(this.#pathTo(from).filter((entry) => !stay.includes(entry)));
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
    const longer = this.#childrenOf(parent).some(
      (child) => child.tokens.length > tokenCount && commonTokens(child.tokens, tokens) === tokenCount,
    );
    return longer ? undefined : this.#publishPage(parent, run, { place: run.firstPage, tokenCount }).node;
  }

  evict(): void {
    let oldest: Entry | undefined;
    for (const entry of this.#entries) {
      if (isEvictable(entry) && (oldest === undefined || entry.unlockedAt < oldest.unlockedAt)) oldest = entry;
    }
    if (oldest === undefined) throw new InvariantBroken(4, 'a page was to be evicted, but every entry is locked');
    if (this.#childrenOf(oldest).length > 0)
      throw new InvariantBroken(4, `node ${oldest.node} is older than its children`);
    const before = this.#tokensBefore(oldest);
    this.#ghosts.add(oldest.salt, [...before, ...oldest.tokens.slice(0, 1)]);
    this.#ghosts.add(oldest.salt, [...before, ...oldest.tokens]);
    this.evictedPages++;
    this.#takeOut([oldest]);
  }

  remove(salt: string): number {
    const entries = this.#entries.filter((entry) => isLive(entry) && entry.salt === salt);
    this.#takeOut(entries);
    return entries.filter((entry) => entry.parent !== undefined).length;
  }

  removeAll(): number {
    const salts = new Set(this.#entries.filter(isLive).map((entry) => entry.salt));
    let pages = 0;
    for (const salt of salts) pages += this.remove(salt);
    return pages;
  }

  view(): IndexView {
    const order = this.#entries.filter(isEvictable).sort((a, b) => a.unlockedAt - b.unlockedAt);
    return {
      nodes: this.#entries.map((entry) => ({
        node: entry.node,
        kind: entry.removed ? 'dead' : entry.parent === undefined ? 'root' : 'live',
        parent: entry.parent?.node,
        children: this.#childrenOf(entry)
          .sort((a, b) => compareTokens(a.tokens, b.tokens))
          .map((child) => child.node),
        pages: entry.removed || entry.parent === undefined ? [] : [entry.page],
        lockCount: entry.lockCount,
        salt: entry.parent === undefined && !entry.removed ? entry.salt : undefined,
      })),
      tokensOf: (page) => this.#entries.find((entry) => isLive(entry) && entry.page === page)?.tokens ?? [],
      hasDigestOf: () => true,
      evictionOrder: order.map((entry) => entry.node),
      evictablePages: this.evictablePages,
      nodeCount: this.nodeCount,
      faults: [],
    };
  }

  #find(
    tokens: Uint32Array,
    tokenCount: number,
    salt: string,
  ): { path: Entry[]; source?: Entry; sourceTokens: number } {
    const path: Entry[] = [];
    let at = this.#rootOf(salt);
    while (at !== undefined) {
      const from = path.length * this.#pageSize;
      const wanted = tokensAt(tokens, from, Math.min(this.#pageSize, tokenCount - 1 - from));
      const best = this.#bestChild(at, wanted);
      const common = best === undefined ? 0 : commonTokens(best.tokens, wanted);
      if (best === undefined || common === 0) break;
      if (common < this.#pageSize) return { path, source: best, sourceTokens: common };
      path.push(best);
      at = best;
    }
    return { path, sourceTokens: 0 };
  }

  /** Most tokens in common; of equals, the next one in the order of tokens, and if there is none, the last one before. */
  #bestChild(parent: Entry, wanted: readonly number[]): Entry | undefined {
    let best: Entry | undefined;
    for (const child of this.#childrenOf(parent)) {
      if (best === undefined) {
        best = child;
        continue;
      }
      const gain = commonTokens(child.tokens, wanted) - commonTokens(best.tokens, wanted);
      if (gain > 0 || (gain === 0 && isNearer(child.tokens, best.tokens, wanted))) best = child;
    }
    return best;
  }

  /** One page: the table takes the published twin if there is one; a sealed page that it begins with gives way otherwise. */
  #publishPage(parent: Entry, run: PageRun, part: { readonly place: number; readonly tokenCount: number }): Entry {
    const page = run.table[part.place] as PageId;
    const tokens = tokensAt(run.tokens, part.place * this.#pageSize, part.tokenCount);
    const twin = this.#childrenOf(parent).find((child) => compareTokens(child.tokens, tokens) === 0);
    if (twin !== undefined) {
      twin.lockCount++;
      this.#pool.retain(twin.page);
      run.table[part.place] = twin.page;
      this.#pool.release(page);
      return twin;
    }
    this.#takeOut(
      this.#childrenOf(parent).filter((child) => commonTokens(child.tokens, tokens) === child.tokens.length),
    );
    const before = this.#tokensBefore({ parent });
    this.#ghosts.remove(parent.salt, [...before, ...tokens.slice(0, 1)]);
    this.#ghosts.remove(parent.salt, [...before, ...tokens]);
    const entry = this.#add(parent.salt, parent, { page, tokens });
    entry.lockCount = 1;
    this.#pool.publish(page);
    return entry;
  }

  #takeOut(entries: readonly Entry[]): void {
    for (const entry of entries) {
      entry.removed = true;
      if (entry.parent !== undefined) this.#pool.unpublish(entry.page);
    }
    this.#dropUnused();
  }

  /** Removed entries stay for their locks; a root stays for its locks and children. */
  #dropUnused(): void {
    this.#entries = this.#entries.filter((entry) => {
      if (entry.lockCount > 0) return true;
      return isLive(entry) && (entry.parent !== undefined || this.#childrenOf(entry).length > 0);
    });
  }

  #unlockAll(path: readonly Entry[]): void {
    for (const entry of [...path].reverse()) {
      entry.lockCount--;
      if (entry.lockCount < 0)
        throw new InvariantBroken(4, `node ${entry.node} was unlocked more often than it was locked`);
      if (entry.lockCount === 0) entry.unlockedAt = ++this.#clock;
    }
    this.#dropUnused();
  }

  #missReason(prompt: readonly number[], matchedTokens: number, salt: string): MissReason {
    if (matchedTokens === prompt.length - 1) return 'none';
    const from = matchedTokens - (matchedTokens % this.#pageSize);
    const last = matchedTokens === from ? from + 1 : Math.min(prompt.length, from + this.#pageSize);
    for (let count = matchedTokens + 1; count <= last; count++) {
      if (this.#ghosts.has(salt, prompt.slice(0, count))) return 'evicted';
    }
    return 'cold';
  }

  #add(salt: string, parent: Entry | undefined, content: { page: PageId; tokens: readonly number[] }): Entry {
    const node = this.#nextNode++ as NodeId;
    const entry: Entry = { node, salt, parent, ...content, lockCount: 0, unlockedAt: 0, removed: false };
    this.#entries.push(entry);
    return entry;
  }

  #rootOf(salt: string): Entry | undefined {
    return this.#entries.find((entry) => isLive(entry) && entry.parent === undefined && entry.salt === salt);
  }

  #entry(node: NodeId): Entry {
    const entry = this.#entries.find((candidate) => candidate.node === node);
    if (entry === undefined) throw new InvariantBroken(4, `node ${node} is gone, but somebody holds it`);
    return entry;
  }

  #childrenOf(parent: Entry): Entry[] {
    return this.#entries.filter((entry) => entry.parent === parent && isLive(entry));
  }

  /** From the root to the node. */
  #pathTo(node: NodeId): Entry[] {
    const path: Entry[] = [];
    for (let at: Entry | undefined = this.#entry(node); at !== undefined; at = at.parent) path.unshift(at);
    return path;
  }

  #tokensBefore(entry: { readonly parent: Entry | undefined }): number[] {
    const tokens: number[] = [];
    for (let at = entry.parent; at !== undefined; at = at.parent) tokens.unshift(...at.tokens);
    return tokens;
  }
}

function isLive(entry: Entry): boolean {
  return !entry.removed;
}

function isEvictable(entry: Entry): boolean {
  return isLive(entry) && entry.parent !== undefined && entry.lockCount === 0;
}
