import type { KvParts } from './kv-parts.ts';
import type { LeaseLifetime } from './lease-lifetime.ts';
import type { ClaimId, NodeId } from './units.ts';

/** The claim of a lease that stores: it moves along with what is published, and stays behind when the lease is released. */
export class LeaseClaim {
  readonly lifetime: LeaseLifetime;
  readonly id: ClaimId;
  readonly #parts: KvParts;

  /** The node is locked. */
  constructor(parts: KvParts, node: NodeId, lifetime: LeaseLifetime) {
    this.#parts = parts;
    this.lifetime = lifetime;
    this.id = parts.index.hold(node, lifetime.terms);
    parts.lifetimes.leaseBegan(lifetime.terms);
  }

  /** Nothing more is to be stored: the claim was ended while the lease held it. */
  get isEnded(): boolean {
    return this.#parts.index.isEnded(this.id);
  }

  /** How many of the leading tokens are worth storing. */
  storable(tokens: number): number {
    return Math.min(tokens, this.lifetime.storeTokens);
  }

  moveTo(node: NodeId): void {
    this.#parts.index.extend(this.id, node);
  }

  /** The lease, which still locks `end`, lets go. `sharedPages` of its table are on the way there. */
  settle(end: NodeId, table: Int32Array, sharedPages: number): void {
    const { index, clock, lifetimes } = this.#parts;
    const { terms, ttlMs, ranges } = this.lifetime;
    const deadline = clock.read() + ttlMs;
    if (ranges.length > 0 && !this.isEnded) this.#settleRanges({ end, table, sharedPages, deadline });
    index.settle(this.id, deadline);
    lifetimes.leaseEnded(terms);
  }

  /** A claim of its own for each range of tokens with a priority of its own. */
  #settleRanges({ end, table, sharedPages, deadline }: SettledWay): void {
    const { index, book, pageSize } = this.#parts;
    for (const range of this.lifetime.ranges) {
      const pages = Math.min(sharedPages, Math.ceil(range.tokens / pageSize));
      if (pages > 0) index.settle(index.hold(index.endOnWay(end, pages, table), book.intern(range.fields)), deadline);
    }
  }

  /** What was stored is not worth keeping for this lease. */
  abandon(): void {
    if (!this.isEnded) this.#parts.index.end(this.id, 'invalidated');
  }
}

interface SettledWay {
  readonly end: NodeId;
  readonly table: Int32Array;
  readonly sharedPages: number;
  readonly deadline: number;
}
