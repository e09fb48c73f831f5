import type { BandOrders } from './band-orders.ts';
import type { CacheClock } from './cache-clock.ts';
import { CLAIM_STATES, type ClaimColumns, NO_CLAIM } from './claim-columns.ts';
import { BANDS, type ClaimTerms, type TermsBook } from './claim-terms.ts';
import type { ClaimTimes } from './claim-times.ts';
import { InvariantBroken } from './errors.ts';
import type { PinEnd } from './lifetimes.ts';
import type { NodeClaims } from './node-claims.ts';
import type { RemovalReason } from './prefix-index.ts';
import type { RadixLocks } from './radix-locks.ts';
import { NO_NODE, type RadixNodes } from './radix-nodes.ts';
import type { SaltRoots } from './salt-roots.ts';
import type { TimingWheel } from './timing-wheel.ts';
import type { ClaimId, NodeId } from './units.ts';

/** What the claims of a radix tree are kept in. */
export interface RadixClaimParts {
  readonly nodes: RadixNodes;
  readonly locks: RadixLocks;
  readonly roots: SaltRoots;
  readonly order: BandOrders;
  readonly columns: ClaimColumns;
  readonly book: TermsBook;
  readonly wheel: TimingWheel;
  readonly clock: CacheClock;
  readonly times: ClaimTimes;
  /** A leaf that no claim covers leaves the index. */
  readonly discardLeaf: (node: NodeId, reason: RemovalReason) => void;
  readonly pinEnded: (claim: ClaimId, reason: PinEnd) => void;
}

/**
 * Claims on the nodes of a radix tree, and what follows from them: which nodes live, until when, and in which band. A claim counts at its node
 * and at all nodes above; a node that nothing counts at any more leaves. Every operation costs the way to the root, and the pages that leave.
 */
export class RadixClaims {
  /** Claims that `end` ended since the start. */
  endedClaims = 0;
  readonly #parts: RadixClaimParts;
  readonly #below: NodeClaims;

  constructor(parts: RadixClaimParts) {
    this.#parts = parts;
    this.#below = parts.nodes.claims;
  }

  /** A claim that a lease holds and moves along. The node is locked. O(depth). */
  hold(node: NodeId, terms: ClaimTerms): ClaimId {
    const { columns, book } = this.#parts;
    const claim = columns.create(terms);
    book.retain(terms);
    this.#link(claim, node);
    this.#count(claim, node, NO_NODE);
    return claim;
  }

  /** A held claim ends at a locked node below its present one (or at it). O(nodes between). */
  extend(claim: ClaimId, node: NodeId): void {
    const from = this.#parts.columns.node(claim);
    if (from === node) return;
    this.#unlink(claim);
    this.#link(claim, node);
    this.#count(claim, node, from);
  }

  /**
   * The lease lets go: the claim stays where it is until the deadline, merged with an equal one. Returns the one that is left, if any: a claim
   * that was ended, or ends at a root, covers nothing. O(depth).
   */
  settle(claim: ClaimId, deadlineMs: number): ClaimId | undefined {
    const { columns, nodes } = this.#parts;
    if (columns.state(claim) === CLAIM_STATES.ended) {
      columns.recycle(claim);
      return undefined;
    }
    const node = columns.node(claim);
    if (nodes.isRoot(node)) {
      this.#remove(claim, 'invalidated');
      columns.recycle(claim);
      return undefined;
    }
    for (let at = node; at !== NO_NODE; at = nodes.parent(at)) this.#below.addHeld(at, -1);
    this.#parts.times.use(node);
    return this.#place(claim, node, deadlineMs);
  }

  /** Ends a claim: what no other covers leaves the index. O(depth + pages that leave). */
  end(claim: ClaimId, reason: RemovalReason): void {
    const { columns, wheel } = this.#parts;
    const isHeld = columns.state(claim) === CLAIM_STATES.held;
    if (!isHeld) {
      wheel.stop(claim);
      this.#parts.times.loosen(claim);
      columns.unsettle(claim);
    }
    this.#remove(claim, reason, isHeld);
    // A lease asks for its claim once more.
    if (!isHeld) columns.recycle(claim);
  }

  /** See `PrefixIndex.endAll`. */
  endAll(terms: ClaimTerms, reason: RemovalReason, work = { left: Number.POSITIVE_INFINITY }): void {
    while (terms.firstClaim !== NO_CLAIM && work.left > 0) {
      work.left -= 1 + this.#parts.nodes.pageCount(this.#parts.columns.node(terms.firstClaim as ClaimId));
      this.end(terms.firstClaim as ClaimId, reason);
    }
  }

  /** The node is about to be evicted: its claims cover what is left of the way to it. O(claims of the node x depth). */
  moveUp(node: NodeId): void {
    const { columns, nodes } = this.#parts;
    const parent = nodes.parent(node);
    for (let claim = this.#below.firstClaim(node); claim !== NO_CLAIM; claim = this.#below.firstClaim(node)) {
      if (nodes.isRoot(parent)) this.#leaveAlone(claim, node, parent);
      else if (columns.state(claim) === CLAIM_STATES.held) this.#relink(claim, parent);
      else this.#move(claim, parent);
    }
  }

  /** The claims of a leaf go over to a node with the same parent, which is locked. O(claims of the leaf x depth). */
  absorb(leaf: NodeId, target: NodeId): void {
    const { columns } = this.#parts;
    this.#below.setLastUsed(target, Math.max(this.#below.lastUsedMs(target), this.#below.lastUsedMs(leaf)));
    for (let claim = this.#below.firstClaim(leaf); claim !== NO_CLAIM; claim = this.#below.firstClaim(leaf)) {
      const { band } = columns.terms(claim);
      this.#below.addCount(leaf, band, -1);
      if (band === BANDS.pinned) this.#movePin(leaf, target);
      this.#below.addCount(target, band, 1);
      if (columns.state(claim) === CLAIM_STATES.held) {
        this.#below.addHeld(leaf, -1);
        this.#below.addHeld(target, 1);
        this.#relink(claim, target);
      } else this.#move(claim, target);
    }
  }

  /** The node leaves with its whole tree: its claims end, and nobody above it is asked. O(claims of the node). */
  abandon(node: NodeId, pinEnd: PinEnd): void {
    const { columns, wheel, locks, nodes } = this.#parts;
    if (this.#below.isPinned(node)) locks.pinnedPages -= nodes.pageCount(node);
    for (let claim = this.#below.firstClaim(node); claim !== NO_CLAIM; claim = this.#below.firstClaim(node)) {
      const isHeld = columns.state(claim) === CLAIM_STATES.held;
      if (!isHeld) {
        wheel.stop(claim);
        columns.unsettle(claim);
      }
      this.#unlink(claim);
      this.#close(claim, pinEnd);
      if (!isHeld) columns.recycle(claim);
    }
    this.#below.reset(node);
  }

  /** Ends claims whose time has come, as far as `work` reaches: each costs 1, and each page that leaves 1. Returns how many ended. */
  expire(work: { left: number }): number {
    const { wheel, clock, columns, nodes } = this.#parts;
    let ended = 0;
    for (let id = wheel.next(clock.nowMs, work); id !== 0; id = wheel.next(clock.nowMs, work)) {
      const claim = id as ClaimId;
      const expiry = this.#parts.times.expiryOf(claim);
      if (expiry > clock.nowMs) {
        // It was used since, or merged with one that lives longer.
        if (expiry < Number.POSITIVE_INFINITY) wheel.start(claim, expiry);
        continue;
      }
      work.left -= nodes.pageCount(columns.node(claim));
      this.end(claim, 'expired');
      ended++;
    }
    return ended;
  }

  /** Settles a claim that is linked and counted at the node: merged into an equal one, or on its own. */
  #place(claim: ClaimId, node: NodeId, deadlineMs: number): ClaimId {
    const { columns, nodes } = this.#parts;
    const terms = columns.terms(claim);
    const twin = columns.find(node, terms);
    if (twin === NO_CLAIM) {
      columns.setDeadline(claim, deadlineMs);
      columns.settle(claim);
      this.#parts.times.start(claim);
      return claim;
    }
    columns.setDeadline(twin, Math.max(columns.deadlineMs(twin), deadlineMs));
    this.#parts.times.start(twin);
    for (let at = node; at !== NO_NODE; at = nodes.parent(at)) this.#below.addCount(at, terms.band, -1);
    this.#unlink(claim);
    columns.close(claim);
    this.#parts.book.release(terms);
    columns.recycle(claim);
    return twin;
  }

  /** A settled claim goes from its node to another where it is counted already. */
  #move(claim: ClaimId, target: NodeId): void {
    const { columns, wheel } = this.#parts;
    const deadline = columns.deadlineMs(claim);
    wheel.stop(claim);
    columns.unsettle(claim);
    this.#relink(claim, target);
    this.#place(claim, target, deadline);
  }

  /** Uncounts the claim from its node to the root; nodes that nothing counts at leave, from the leaf up. */
  #remove(claim: ClaimId, reason: RemovalReason, isHeld = true): void {
    const { columns, nodes, locks, order } = this.#parts;
    const { band } = columns.terms(claim);
    let at = columns.node(claim);
    this.#unlink(claim);
    let root = at;
    while (at !== NO_NODE) {
      const parent = nodes.parent(at);
      root = at;
      if (isHeld) this.#below.addHeld(at, -1);
      const wasPinned = this.#below.isPinned(at);
      this.#below.addCount(at, band, -1);
      if (wasPinned && !this.#below.isPinned(at)) {
        locks.pinnedPages -= nodes.pageCount(at);
        if (!nodes.isRoot(at) && this.#below.count(at) > 0) locks.offer(at);
      }
      if (!nodes.isRoot(at)) {
        if (this.#below.count(at) === 0) this.#discard(at, reason);
        else if (this.#below.slot(at) !== 0) order.update(at);
      }
      at = parent;
    }
    this.#close(claim, reason === 'expired' ? 'expired' : 'invalidated');
    this.#parts.roots.dropUnused(root);
  }

  #discard(node: NodeId, reason: RemovalReason): void {
    if (this.#parts.nodes.childCount(node) > 0) {
      throw new InvariantBroken(14, `node ${node} has children, but no claim ends in its subtree`);
    }
    this.#parts.discardLeaf(node, reason);
  }

  /** The last node of a tree goes: its claims have nothing left to cover. */
  #leaveAlone(claim: ClaimId, node: NodeId, root: NodeId): void {
    const { columns, wheel } = this.#parts;
    const isHeld = columns.state(claim) === CLAIM_STATES.held;
    if (!isHeld) {
      wheel.stop(claim);
      columns.unsettle(claim);
    }
    for (const at of [node, root]) {
      this.#below.addCount(at, columns.terms(claim).band, -1);
      if (isHeld) this.#below.addHeld(at, -1);
    }
    this.#unlink(claim);
    this.#close(claim, 'invalidated');
    if (!isHeld) columns.recycle(claim);
  }

  /** The claim, which is at no node any more, is over. */
  #close(claim: ClaimId, pinEnd: PinEnd): void {
    const { columns, book, pinEnded } = this.#parts;
    const terms = columns.terms(claim);
    this.endedClaims++;
    if (terms.band === BANDS.pinned) pinEnded(claim, pinEnd);
    columns.close(claim);
    book.release(terms);
  }

  #movePin(leaf: NodeId, target: NodeId): void {
    const { locks, nodes } = this.#parts;
    if (!this.#below.isPinned(leaf)) locks.pinnedPages -= nodes.pageCount(leaf);
    if (!this.#below.isPinned(target)) locks.pinnedPages += nodes.pageCount(target);
  }

  #count(claim: ClaimId, node: NodeId, stop: NodeId): void {
    const { columns, nodes, locks } = this.#parts;
    const { band } = columns.terms(claim);
    let at = node;
    for (; at !== stop; at = nodes.parent(at)) {
      if (at === NO_NODE)
        throw new InvariantBroken(14, `claim ${claim} was at node ${stop}, which is not above ${node}`);
      if (band === BANDS.pinned && !this.#below.isPinned(at)) locks.pinnedPages += nodes.pageCount(at);
      this.#below.addCount(at, band, 1);
      this.#below.addHeld(at, 1);
    }
  }

  #link(claim: ClaimId, node: NodeId): void {
    this.#parts.columns.linkToNode(claim, node, this.#below.firstClaim(node));
    this.#below.setFirstClaim(node, claim);
  }

  #unlink(claim: ClaimId): void {
    const { columns } = this.#parts;
    const node = columns.node(claim);
    this.#below.setFirstClaim(node, columns.unlinkFromNode(claim, this.#below.firstClaim(node)));
    if (columns.terms(claim).slidingTtlMs < Number.POSITIVE_INFINITY) this.#below.loosenSliding(node);
  }

  #relink(claim: ClaimId, node: NodeId): void {
    this.#unlink(claim);
    this.#link(claim, node);
  }
}
