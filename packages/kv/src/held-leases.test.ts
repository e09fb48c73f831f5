import { describe, expect, it } from 'vitest';
import { type HeldLease, HeldLeases } from './held-leases.ts';
import { INTERNALS } from './internals.ts';
import type { LeaseView } from './lease-view.ts';

function leaseOf(salt: string): HeldLease {
  return { seat: 0, [INTERNALS]: () => ({ salt }) as LeaseView };
}

describe('HeldLeases', () => {
  it('knows who is held, in whatever order they come and go', () => {
    const leases = new HeldLeases();
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(leaseOf) as [HeldLease, HeldLease, HeldLease, HeldLease];
    const held = () =>
      leases
        .views()
        .map(({ salt }) => salt)
        .sort()
        .join('');
    for (const lease of [a, b, c]) leases.add(lease);
    leases.remove(a);
    expect([held(), leases.count]).toEqual(['bc', 2]);
    leases.add(d);
    leases.remove(d);
    leases.remove(c);
    expect(held()).toBe('b');
    leases.add(a);
    leases.remove(b);
    leases.remove(a);
    expect([held(), leases.count]).toEqual(['', 0]);
  });
});
