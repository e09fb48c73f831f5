import type { HeldLease } from './held-leases.ts';
import { INTERNALS } from './internals.ts';
import type { CacheMode, ExtendResult, ForkResult, KvLease, MissReason, PageCopy } from './kv-cache.ts';
import { type KvParts, noRoom, roomOf } from './kv-parts.ts';
import { LeaseClaim } from './lease-claim.ts';
import { LEASE_ERRORS } from './lease-errors.ts';
import type { LeaseStart } from './lease-start.ts';
import type { LeaseView } from './lease-view.ts';
import type { ClaimOptions } from './lifetimes.ts';
import { PageTable } from './page-table.ts';
import type { PageRun } from './prefix-index.ts';
import { fullPagesIn, type NodeId, type PageId, pagesFor } from './units.ts';

const EXTENDED: ExtendResult = Object.freeze({ ok: true });
const NO_TOKENS = new Uint32Array(0);
const NO_COPIES: readonly PageCopy[] = Object.freeze([]);

/** The lease of one sequence: a page table, and a lock on the node where its published pages end. */
export class PageLease implements KvLease, HeldLease {
  readonly matchedTokens: number;
  readonly missReason: MissReason;
  storedTokens = 0;
  seat = 0;
  readonly #parts: KvParts;
  readonly #mode: CacheMode;
  readonly #salt: string;
  readonly #table: PageTable;
  #phase: 'live' | 'sealed' | 'released' = 'live';
  #endNode: NodeId | undefined;
  #lockNode: NodeId | undefined;
  /** The end without a sealed page. */
  #fullEnd: NodeId | undefined;
  #sealedTokens = 0;
  readonly #claim: LeaseClaim | undefined;
  #copies = NO_COPIES;

  constructor(parts: KvParts, start: LeaseStart) {
    this.#parts = parts;
    this.#mode = start.mode;
    this.#salt = start.salt;
    this.#endNode = start.endNode;
    this.#lockNode = start.lockNode;
    this.#fullEnd = start.endNode;
    this.matchedTokens = start.matchedTokens;
    this.missReason = start.missReason;
    this.#table = new PageTable(parts, start.expectedPages);
    this.#claim = start.endNode && start.lifetime && new LeaseClaim(parts, start.endNode, start.lifetime);
    parts.leases.add(this);
  }

  get pageTable(): Int32Array {
    this.#assertHeld();
    return this.#table.array;
  }

  get pageCount(): number {
    this.#assertHeld();
    return this.#table.pageCount;
  }

  get sharedPages(): number {
    this.#assertHeld();
    return this.#table.sharedPages;
  }

  get copies(): readonly PageCopy[] {
    this.#assertHeld();
    return this.#copies;
  }

  tryExtend(tokens: number): ExtendResult {
    this.#assertHeld();
    if (!Number.isInteger(tokens) || tokens < 0) {
      throw LEASE_ERRORS.reach(tokens);
    }
    if (this.#phase === 'sealed') throw LEASE_ERRORS.sealed(this.#sealedTokens);
    const needed = pagesFor(tokens, this.#parts.pageSize) - this.#table.pageCount;
    if (needed <= 0) return EXTENDED;
    const available = roomOf(this.#parts);
    if (needed > available) return noRoom(needed, available);
    this.#table.take(needed);
    return EXTENDED;
  }

  transferred(): void {
    this.#assertHeld();
    if (this.#copies.length === 0) return;
    this.#endTransfers();
    // The source's rows are here: what is left to lock is the path to the own end.
    if (this.#lockNode !== undefined && this.#endNode !== undefined) {
      this.#parts.index.raiseLock(this.#lockNode, this.#endNode);
    }
    this.#lockNode = this.#endNode;
  }

  publish(tokens: Uint32Array, writtenTokens: number): void {
    this.#assertWritten(tokens, writtenTokens);
    if (this.#phase === 'sealed') return;
    const table = this.#table;
    const full = fullPagesIn(this.#claim?.storable(writtenTokens) ?? 0, this.#parts.pageSize);
    const end = this.#publishingEnd();
    if (end === undefined || full <= table.sharedPages) return;
    this.#assertTransferred();
    // A page that a fork still reads stays private until the fork has its rows: published, it could be evicted too early.
    let endPage = table.sharedPages;
    while (endPage < full && this.#isOwnAlone(endPage)) endPage++;
    if (endPage === table.sharedPages) return;
    this.#fullEnd = this.#parts.index.publish(end, this.#startRun(tokens, endPage));
    this.#endRun(this.#fullEnd, endPage);
  }

  seal(tokens: Uint32Array, writtenTokens: number): void {
    this.publish(tokens, writtenTokens);
    if (this.#phase === 'sealed') return;
    const stored = this.#claim?.storable(writtenTokens) ?? 0;
    const full = fullPagesIn(stored, this.#parts.pageSize);
    const tailTokens = stored - full * this.#parts.pageSize;
    const end = this.#publishingEnd();
    const isNext = tailTokens > 0 && this.#table.sharedPages === full && this.#isOwnAlone(full);
    if (end !== undefined && isNext) {
      this.#assertTransferred();
      const run = this.#startRun(tokens, full + 1, stored < writtenTokens);
      const node = this.#parts.index.seal(end, run, tailTokens);
      this.#endRun(node ?? end, node === undefined ? full : full + 1);
    }
    this.#phase = 'sealed';
    this.#sealedTokens = writtenTokens;
  }

  fork(tokens: Uint32Array, writtenTokens: number): ForkResult {
    this.publish(tokens, writtenTokens);
    this.#assertTransferred();
    this.#assertCovers(writtenTokens);
    const { pageSize, index } = this.#parts;
    const full = fullPagesIn(writtenTokens, pageSize);
    const publishes = this.#publishingEnd() !== undefined;
    const shared = publishes ? Math.min(this.#wholePages(), full) : full;
    const needed = pagesFor(writtenTokens, pageSize) - shared;
    if (this.#lockNode !== undefined) index.lock(this.#lockNode);
    const available = roomOf(this.#parts);
    if (needed > available) {
      if (this.#lockNode !== undefined) index.unlock(this.#lockNode);
      return noRoom(needed, available);
    }
    if (!publishes) this.#table.detachUpTo(full);
    const lease = new PageLease(this.#parts, {
      mode: this.#mode,
      salt: this.#salt,
      // A sealed page is copied, unless rows behind what was sealed fill it and nothing is published any more.
      endNode: shared > this.#wholePages() ? this.#endNode : this.#fullEnd,
      lockNode: this.#lockNode,
      matchedTokens: writtenTokens,
      missReason: 'none',
      lifetime: publishes ? this.#claim?.lifetime : undefined,
      expectedPages: this.#table.pageCount + 1,
    });
    lease.#table.shareFrom(this.#table, shared);
    lease.#table.take(needed);
    lease.#startTransfers(this.#copiesTo(lease.#table, writtenTokens));
    return { ok: true, lease, copies: lease.#copies };
  }

  release(): void {
    this.#assertHeld();
    const { index, leases } = this.#parts;
    this.#endTransfers();
    if (this.#endNode !== undefined) this.#claim?.settle(this.#endNode, this.#table.array, this.#table.sharedPages);
    this.#table.release();
    // The pages first: an unlocked node must not have held pages.
    if (this.#lockNode !== undefined) index.unlock(this.#lockNode);
    leases.remove(this);
    this.#phase = 'released';
  }

  /** One more claim ends where its own does. */
  claimAlso(claim: ClaimOptions): void {
    this.#assertHeld();
    if (this.#endNode !== undefined) this.#parts.lifetimes.claimAt(this.#endNode, this.#salt, claim);
  }

  /** Its claim ends: what it stored and nobody else claims goes with the release. */
  abandon(): void {
    this.#assertHeld();
    this.#claim?.abandon();
  }

  /** Fills the table of a new lease: the path to its end, then private pages, into the first of which `source` is to be copied. */
  fill(matchedPages: number, newPages: number, source?: { readonly page: PageId; readonly tokens: number }): void {
    if (this.#endNode !== undefined) this.#table.sharePath(this.#endNode, matchedPages);
    this.#table.take(newPages);
    if (source === undefined) return;
    this.#startTransfers([{ from: source.page, to: this.#table.page(matchedPages), tokens: source.tokens }]);
  }

  /** The fields. Not for callers: see `internals.ts`. */
  [INTERNALS](): LeaseView {
    return {
      mode: this.#mode,
      salt: this.#salt,
      phase: this.#phase === 'sealed' ? 'sealed' : 'live',
      endNode: this.#endNode,
      lockNode: this.#lockNode,
      claim: this.#claim?.isEnded === false ? this.#claim.id : undefined,
      table: this.#table,
      copies: this.#copies,
    };
  }

  /** Where the next page would be published; undefined when this lease publishes nothing (any more). */
  #publishingEnd(): NodeId | undefined {
    const end = this.#endNode;
    if (end === undefined || this.#claim === undefined || this.#claim.isEnded) return undefined;
    return this.#parts.index.isDetached(end) ? undefined : end;
  }

  /** Shared pages without a sealed one, which is copied wherever it stands. */
  #wholePages(): number {
    return this.#table.sharedPages - (this.#endNode === this.#fullEnd ? 0 : 1);
  }

  #isOwnAlone(place: number): boolean {
    return this.#parts.pool.references(this.#table.page(place)) === 1;
  }

  /** The cache's one run object, so that publishing allocates nothing. */
  #startRun(tokens: Uint32Array, endPage: number, keepsOwn = false): PageRun {
    const { run } = this.#parts;
    run.tokens = tokens;
    run.table = this.#table.array;
    run.firstPage = this.#table.sharedPages;
    run.endPage = endPage;
    run.salt = this.#salt;
    run.terms = this.#claim?.lifetime.terms;
    run.keepsOwn = keepsOwn;
    run.storedTokens = 0;
    return run;
  }

  #endRun(node: NodeId, sharedPages: number): void {
    const run = this.#parts.run;
    this.storedTokens += run.storedTokens;
    // The caller's tokens are not kept.
    run.tokens = NO_TOKENS;
    if (node !== this.#endNode) this.#claim?.moveTo(node);
    this.#endNode = node;
    this.#lockNode = node;
    this.#table.sharedPages = sharedPages;
  }

  /** The written rows that a fork's shared pages do not hold: normally those of the partly filled page. */
  #copiesTo(target: PageTable, writtenTokens: number): PageCopy[] {
    const pageSize = this.#parts.pageSize;
    const copies: PageCopy[] = [];
    for (let place = target.sharedPages; place < target.pageCount; place++) {
      const tokens = Math.min(pageSize, writtenTokens - place * pageSize);
      copies.push({ from: this.#table.page(place), to: target.page(place), tokens });
    }
    return copies;
  }

  /** The copies are the executor's from here on; their sources are held until `transferred`. */
  #startTransfers(copies: readonly PageCopy[]): void {
    for (const copy of copies) this.#parts.pool.startTransfer(copy.from);
    this.#copies = copies;
  }

  #endTransfers(): void {
    // A loop over nothing would make an iterator for each request.
    if (this.#copies === NO_COPIES) return;
    for (const copy of this.#copies) this.#parts.pool.endTransfer(copy.from);
    this.#copies = NO_COPIES;
  }

  #assertHeld(): void {
    if (this.#phase === 'released') throw LEASE_ERRORS.released();
  }

  #assertTransferred(): void {
    if (this.#copies.length > 0) throw LEASE_ERRORS.copiesPending(this.#copies.length);
  }

  #assertCovers(writtenTokens: number): void {
    const least = this.#phase === 'sealed' ? this.#sealedTokens : this.#table.sharedPages * this.#parts.pageSize;
    if (writtenTokens < least) throw LEASE_ERRORS.covers(least, writtenTokens);
  }

  #assertWritten(tokens: Uint32Array, writtenTokens: number): void {
    this.#assertHeld();
    if (this.#phase === 'sealed' && writtenTokens > this.#sealedTokens) throw LEASE_ERRORS.sealed(this.#sealedTokens);
    const reach = Math.min(this.#table.pageCount * this.#parts.pageSize, tokens.length);
    if (Number.isInteger(writtenTokens) && writtenTokens >= 0 && writtenTokens <= reach) return;
    throw LEASE_ERRORS.written(reach, writtenTokens);
  }
}
