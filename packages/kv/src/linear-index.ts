import { REUSED_SHARE } from './band-orders.ts';
import { type ClaimTerms, tagsOf } from './claim-terms.ts';
import { InvariantBroken } from './errors.ts';
import type { Match, MissReason } from './kv-cache.ts';
import { pageKey } from './kv-events.ts';
import { LinearClaims } from './linear-claims.ts';
import { type Entry, isLive, LinearEntries, pathTo } from './linear-entries.ts';
import { LinearGhosts } from './linear-ghosts.ts';
import type { PagePool } from './page-pool.ts';
import type {
  IndexOptions,
  IndexView,
  LockedMatch,
  NodeView,
  PageRun,
  PrefixIndex,
  RemovalReason,
} from './prefix-index.ts';
import { TokenDigest } from './token-digest.ts';
import { commonTokens, compareTokens, isNearer, tokensAt } from './token-order.ts';
import { type ClaimId, type NodeId, NULL_PAGE, type PageId } from './units.ts';

interface FoundPath {
  readonly path: Entry[];
  readonly source?: Entry;
  readonly sourceTokens: number;
  readonly metExpired: boolean;
}

/**
 * The naive index: one entry a page, found by looking at all of them. It keeps nothing that could be computed, so it is easy to believe:
 * the oracle of the radix index's tests, and the row that the benches compare with. Same behaviour, O(entries) an operation.
 */
export class LinearIndex implements PrefixIndex {
  evictedPages = 0;
  removedPages = 0;
  readonly #pool: PagePool;
  readonly #pageSize: number;
  readonly #options: IndexOptions;
  readonly #ghosts: LinearGhosts;
  readonly #entries = new LinearEntries();
  readonly #claims: LinearClaims;
  #nextNode = 1;
  #ticks = 0;

  constructor(options: IndexOptions) {
    this.#pool = options.pool;
    this.#pageSize = options.pageSize;
    this.#options = options;
    this.#ghosts = new LinearGhosts(options.ghostEntries * 2);
    this.#claims = new LinearClaims({
      ...options,
      entries: this.#entries,
      takeOut: (entry, reason) => {
        this.removedPages++;
        this.#takeOut([entry], reason);
      },
      tick: () => ++this.#ticks,
    });
  }

  get evictablePages(): number {
    return this.#entries.all.filter((entry) => this.#entries.isEvictable(entry)).length;
  }

  get nodeCount(): number {
    return this.#pages().length;
  }

  get pinnedPages(): number {
    return this.#pages().filter((entry) => this.#entries.isPinned(entry)).length;
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
    return { matchedTokens, missReason: this.#missReason(tokensAt(tokens, 0, tokenCount), matchedTokens, found, salt) };
  }

  lockMatch(tokens: Uint32Array, tokenCount: number, salt: string): LockedMatch {
    const found = this.#find(tokens, tokenCount - 1, salt);
    const matchedTokens = found.path.length * this.#pageSize + found.sourceTokens;
    const missReason = this.#missReason(tokensAt(tokens, 0, tokenCount), matchedTokens, found, salt);
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
    const longer = this.#entries
      .childrenOf(parent)
      .some((child) => child.tokens.length > tokenCount && commonTokens(child.tokens, tokens) === tokenCount);
    return longer ? undefined : this.#publishPage(parent, run, { place: run.firstPage, tokenCount }).node;
  }

  evict(): void {
    const oldest = this.#victim();
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
    let pages = 0;
    for (const salt of salts) pages += this.remove(salt);
    return pages;
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

  endAll(terms: ClaimTerms, reason: 'invalidated' | 'expired'): void {
    this.#claims.endAll(terms, reason);
  }

  expire(): void {
    this.#claims.expire();
  }

  endOnWay(node: NodeId, pages: number): NodeId {
    return (this.#pathTo(node)[pages] as Entry).node;
  }

  wayTo(node: NodeId): { readonly pages: number; readonly unpinnedPages: number } {
    const path = this.#pathTo(node).slice(1);
    return { pages: path.length, unpinnedPages: path.filter((entry) => !this.#entries.isPinned(entry)).length };
  }

  addSaved(node: NodeId, tokens: number): void {
    this.#entry(node).savedTokens += tokens;
  }

  view(): IndexView {
    const orders = this.#entries.orders();
    return {
      nodes: this.#entries.all.map((entry) => this.#viewOf(entry)),
      tokensOf: (page) => this.#entries.all.find((entry) => isLive(entry) && entry.page === page)?.tokens ?? [],
      hasDigestOf: () => true,
      evictionOrders: orders.map((order) => order.map(({ node }) => node)),
      slotPages: orders.map((order) => order.length),
      evictablePages: this.evictablePages,
      pinnedPages: this.pinnedPages,
      claimCount: this.claimCount,
      nodeCount: this.nodeCount,
      faults: [],
    };
  }

  #viewOf(entry: Entry): NodeView {
    const below = isLive(entry) ? this.#entries.claimsBelow(entry) : [];
    return {
      node: entry.node,
      kind: entry.removed ? 'dead' : entry.parent === undefined ? 'root' : 'live',
      parent: entry.parent?.node,
      children: this.#entries
        .childrenOf(entry)
        .sort((a, b) => compareTokens(a.tokens, b.tokens))
        .map((child) => child.node),
      pages: entry.removed || entry.parent === undefined ? [] : [entry.page],
      lockCount: entry.lockCount,
      claims: below
        .filter((claim) => claim.entry === entry)
        .map((claim) => ({
          claim: claim.id,
          terms: claim.terms,
          state: claim.isHeld ? 'held' : 'settled',
          deadlineMs: claim.deadlineMs,
          expiryMs: this.#claims.expiryOf(claim),
          isTimed: this.#claims.expiryOf(claim) < Number.POSITIVE_INFINITY,
        })),
      claimCounts: this.#entries.countsBelow(entry),
      heldCount: below.filter(({ isHeld }) => isHeld).length,
      liveUntilMs: Math.max(0, ...below.filter(({ isHeld }) => !isHeld).map((claim) => this.#claims.expiryOf(claim))),
      isLoose: false,
      isReused: entry.isReused,
      savedTokens: entry.savedTokens,
      salt: entry.parent === undefined && !entry.removed ? entry.salt : undefined,
    };
  }

  #pages(): Entry[] {
    return this.#entries.all.filter((entry) => isLive(entry) && entry.parent !== undefined);
  }

  /** As `BandOrders.victim` decides. */
  #victim(): Entry | undefined {
    const orders = this.#entries.orders();
    for (let slot = 0; slot < orders.length; slot += 2) {
      const [fresh = [], reused = []] = orders.slice(slot, slot + 2);
      const [oldest] = reused;
      if (fresh.length === 0 && oldest === undefined) continue;
      if (fresh.length === 0) return oldest;
      if (oldest !== undefined && reused.length > REUSED_SHARE * fresh.length) {
        if (this.#entries.childrenOf(oldest).length === 0) return oldest;
      }
      return fresh[0];
    }
    return undefined;
  }

  #find(tokens: Uint32Array, limit: number, salt: string): FoundPath {
    const path: Entry[] = [];
    let at = this.#rootOf(salt);
    while (at !== undefined && path.length * this.#pageSize < limit) {
      const from = path.length * this.#pageSize;
      const wanted = tokensAt(tokens, from, Math.min(this.#pageSize, limit - from));
      const best = this.#bestChild(at, wanted);
      const common = best === undefined ? 0 : commonTokens(best.tokens, wanted);
      if (best === undefined || common === 0) break;
      if (!this.#claims.isLive(best)) return { path, sourceTokens: 0, metExpired: true };
      if (common < this.#pageSize) return { path, source: best, sourceTokens: common, metExpired: false };
      path.push(best);
      at = best;
    }
    return { path, sourceTokens: 0, metExpired: false };
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

  /** Most tokens in common; of equals, the next one in the order of tokens, and if there is none, the last one before. */
  #bestChild(parent: Entry, wanted: readonly number[]): Entry | undefined {
    let best: Entry | undefined;
    for (const child of this.#entries.childrenOf(parent)) {
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
    this.#ghosts.remove(parent.salt, [...before, ...tokens.slice(0, 1)]);
    this.#ghosts.remove(parent.salt, [...before, ...tokens]);
    const entry = this.#add(parent.salt, parent, { page, tokens });
    entry.lockCount = 1;
    this.#pool.publish(page);
    run.storedTokens += tokens.length;
    this.#tellStored(entry, run);
    for (const each of shadowed) this.#claims.absorb(each, entry);
    this.#takeOut(shadowed, 'replaced');
    return entry;
  }

  #takeOut(entries: readonly Entry[], reason: RemovalReason | undefined): void {
    for (const entry of entries) {
      if (entry.parent !== undefined && reason !== undefined) this.#tellRemoved(entry, reason);
      entry.removed = true;
      if (entry.parent !== undefined) this.#pool.unpublish(entry.page);
    }
    this.#dropUnused();
  }

  #tellStored(entry: Entry, run: PageRun): void {
    const { events } = this.#options;
    if (!events.isRecording) return;
    const { parent } = entry;
    events.tell({
      kind: 'stored',
      medium: 'memory',
      salt: entry.salt,
      ...(parent?.parent === undefined ? {} : { parent: this.#keyOf(parent) }),
      keys: [this.#keyOf(entry)],
      tokens: entry.tokens,
      pageSize: this.#pageSize,
      tags: run.terms === undefined ? [] : tagsOf(run.terms),
    });
  }

  #tellRemoved(entry: Entry, reason: RemovalReason): void {
    const { salt, tokens } = entry;
    if (reason !== 'replaced') {
      const before = this.#entries.tokensBefore(entry);
      this.#ghosts.add(salt, [...before, ...tokens.slice(0, 1)], reason);
      this.#ghosts.add(salt, [...before, ...tokens], reason);
    }
    const { events } = this.#options;
    if (events.isRecording)
      events.tell({ kind: 'removed', medium: 'memory', salt, keys: [this.#keyOf(entry)], reason });
  }

  #keyOf(entry: Entry): string {
    const tokens = [...this.#entries.tokensBefore(entry), ...entry.tokens];
    const digest = new TokenDigest();
    digest.start(entry.salt);
    digest.add(Uint32Array.from(tokens), 0, tokens.length);
    return pageKey(digest.high, digest.low);
  }

  /** Removed entries stay for their locks; a root stays for its locks and children. */
  #dropUnused(): void {
    const entries = this.#entries;
    entries.all = entries.all.filter((entry) => {
      if (entry.lockCount > 0) return true;
      return isLive(entry) && (entry.parent !== undefined || entries.childrenOf(entry).length > 0);
    });
  }

  #unlockAll(path: readonly Entry[]): void {
    for (const entry of [...path].reverse()) {
      entry.lockCount--;
      if (entry.lockCount < 0)
        throw new InvariantBroken(4, `node ${entry.node} was unlocked more often than it was locked`);
      if (entry.lockCount === 0) entry.orderedAt = ++this.#ticks;
    }
    this.#dropUnused();
  }

  #missReason(prompt: readonly number[], matchedTokens: number, found: FoundPath, salt: string): MissReason {
    if (matchedTokens === prompt.length - 1) return 'none';
    if (found.metExpired) return 'expired';
    const from = matchedTokens - (matchedTokens % this.#pageSize);
    const last = matchedTokens === from ? from + 1 : Math.min(prompt.length, from + this.#pageSize);
    for (let count = matchedTokens + 1; count <= last; count++) {
      const reason = this.#ghosts.reasonOf(salt, prompt.slice(0, count));
      if (reason !== undefined) return reason;
    }
    return 'cold';
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
