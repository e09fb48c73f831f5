import { INTERNALS } from './internals.ts';
import type { LeaseView } from './lease-view.ts';

/** What a cache knows of a lease: that it is held, and how it looks to the checker. */
export interface HeldLease {
  /** Its place among those that are held. */
  seat: number;
  [INTERNALS](): LeaseView;
}

/**
 * Leases that were not released. An array, since a `Set` that is often nearly empty makes a table for each lease, and its old tables hold the
 * new ones until the next full collection: most of what the collector had to do was that. Adding and removing are O(1).
 */
export class HeldLeases {
  readonly #leases: HeldLease[] = [];

  get count(): number {
    return this.#leases.length;
  }

  add(lease: HeldLease): void {
    lease.seat = this.#leases.length;
    this.#leases.push(lease);
  }

  remove({ seat }: HeldLease): void {
    const last = this.#leases.pop();
    if (last === undefined || last.seat === seat) return;
    last.seat = seat;
    this.#leases[seat] = last;
  }

  /** Pure. O(leases). */
  views(): LeaseView[] {
    return this.#leases.map((lease) => lease[INTERNALS]());
  }
}
