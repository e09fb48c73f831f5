import type { CacheClock } from './cache-clock.ts';
import { type ClaimColumns, NO_CLAIM } from './claim-columns.ts';
import type { NodeClaims } from './node-claims.ts';
import { NO_NODE, type RadixNodes } from './radix-nodes.ts';
import type { TimingWheel } from './timing-wheel.ts';
import type { ClaimId, NodeId } from './units.ts';

export interface ClaimTimeParts {
  readonly nodes: RadixNodes;
  readonly columns: ClaimColumns;
  readonly wheel: TimingWheel;
  readonly clock: CacheClock;
}

/** When claims end by themselves, and what nodes know of it. A sliding time counts from the last use of the node where the claim ends. */
export class ClaimTimes {
  readonly #parts: ClaimTimeParts;
  readonly #below: NodeClaims;
  readonly #loose: NodeId[] = [];

  constructor(parts: ClaimTimeParts) {
    this.#parts = parts;
    this.#below = parts.nodes.claims;
  }

  /** A request uses the way to a locked node: sliding claims on it start again, and it counts as reused. O(depth). */
  touch(node: NodeId): void {
    const { nodes } = this.#parts;
    for (let at = node; at !== NO_NODE; at = nodes.parent(at)) this.#below.setReused(at);
    this.use(node);
  }

  /** The way to the node is used now: sliding claims on it start again. O(depth). */
  use(node: NodeId): void {
    const { nodes, clock } = this.#parts;
    let until = 0;
    let isLoose = false;
    for (let at = node; at !== NO_NODE; at = nodes.parent(at)) {
      this.#below.setLastUsed(at, clock.nowMs);
      const sliding = this.#below.slidingMs(at);
      if (sliding > 0) {
        until = Math.max(until, clock.nowMs + sliding);
        isLoose ||= this.#below.isSlidingLoose(at);
      }
      if (until > 0 && this.#below.raise(at, until) && isLoose) this.#below.setLoose(at);
    }
  }

  /** When a settled claim ends by itself. Pure. */
  expiryOf(claim: ClaimId): number {
    const { columns } = this.#parts;
    const sliding = this.#below.lastUsedMs(columns.node(claim)) + columns.terms(claim).slidingTtlMs;
    return Math.min(columns.deadlineMs(claim), sliding);
  }

  /** The settled claim's time runs: known to the nodes above, and to the wheel. */
  start(claim: ClaimId): void {
    const { columns, wheel, nodes } = this.#parts;
    const node = columns.node(claim);
    const { slidingTtlMs } = columns.terms(claim);
    if (slidingTtlMs < Number.POSITIVE_INFINITY) {
      this.#below.raiseSliding(node, slidingTtlMs, columns.deadlineMs(claim) < Number.POSITIVE_INFINITY);
    }
    const expiry = this.expiryOf(claim);
    for (let at = node; at !== NO_NODE && this.#below.raise(at, expiry); ) at = nodes.parent(at);
    if (expiry < Number.POSITIVE_INFINITY) wheel.start(claim, expiry);
    else wheel.stop(claim);
  }

  /** Nodes whose latest time was that of a claim that ends before it do not know it any more. */
  loosen(claim: ClaimId): void {
    const { columns, nodes, clock } = this.#parts;
    const expiry = this.expiryOf(claim);
    if (expiry <= clock.nowMs) return;
    for (let at = columns.node(claim); at !== NO_NODE && expiry >= this.#below.liveUntilMs(at); at = nodes.parent(at)) {
      this.#below.setLoose(at);
    }
  }

  /**
   * Makes the time that is known of a node exact, and that of all loose ones below it. Nothing there is held. O(claims and children of the loose
   * nodes), which are loose no more.
   */
  tighten(node: NodeId): void {
    const { nodes } = this.#parts;
    const loose = this.#loose;
    loose.push(node);
    // Nodes before what is below them; then backwards, so that children are exact before their parent asks them.
    for (let at = 0; at < loose.length; at++) {
      const parent = loose[at] as NodeId;
      for (let child = nodes.children.first(parent); child !== NO_NODE; child = nodes.children.next(child))
        if (this.#below.isUnsure(child)) loose.push(child);
    }
    for (let last = loose.pop(); last !== undefined; last = loose.pop())
      this.#below.setLiveUntil(last, this.#latestIn(last));
  }

  /** When the last claim in the subtree ends, where the children know it. */
  #latestIn(node: NodeId): number {
    const { nodes, columns } = this.#parts;
    let latest = 0;
    for (let claim = this.#below.firstClaim(node); claim !== NO_CLAIM; claim = columns.nextOfNode(claim))
      latest = Math.max(latest, this.expiryOf(claim));
    for (let child = nodes.children.first(node); child !== NO_NODE; child = nodes.children.next(child))
      latest = Math.max(latest, this.#below.liveUntilMs(child));
    return latest;
  }
}
