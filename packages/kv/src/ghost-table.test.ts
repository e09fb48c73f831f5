import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PROPERTY_RUNS } from './cache.testing.ts';
import { GhostTable } from './ghost-table.ts';

describe('GhostTable', () => {
  it('remembers as many digests as it has entries, and forgets the oldest first', () => {
    const ghosts = new GhostTable(3);
    for (let digest = 1; digest <= 4; digest++) ghosts.add(digest, digest * 7);
    expect([1, 2, 3, 4].map((digest) => ghosts.has(digest, digest * 7))).toEqual([false, true, true, true]);
  });

  it('tells digests apart that share one half', () => {
    const ghosts = new GhostTable(3);
    ghosts.add(5, 6);
    expect([ghosts.has(5, 6), ghosts.has(5, 7), ghosts.has(4, 6)]).toEqual([true, false, false]);
  });

  it('counts a digest that is added again as the newest', () => {
    const ghosts = new GhostTable(2);
    ghosts.add(1, 1);
    ghosts.add(2, 2);
    ghosts.add(1, 1);
    ghosts.add(3, 3);
    expect([1, 2, 3].map((digest) => ghosts.has(digest, digest))).toEqual([true, false, true]);
  });

  it('remembers nothing when it has no entries', () => {
    const ghosts = new GhostTable(0);
    ghosts.add(1, 1);
    ghosts.remove(1, 1);
    expect(ghosts.has(1, 1)).toBe(false);
  });

  it('knows exactly what a plain list would know, whatever collides', () => {
    const digest = fc.integer({ min: -8, max: 8 });
    const step = fc.tuple(fc.constantFrom('add', 'add', 'remove'), digest, digest);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 60 }), (entries, steps) => {
        const ghosts = new GhostTable(entries);
        // A place in the ring that was removed from stays empty until its turn comes, as here.
        const ring: (string | undefined)[] = Array.from({ length: entries }, () => undefined);
        let next = 0;
        for (const [action, high, low] of steps) {
          const key = `${high} ${low}`;
          if (ring.includes(key)) ring[ring.indexOf(key)] = undefined;
          if (action === 'add') {
            ring[next] = key;
            next = (next + 1) % entries;
            ghosts.add(high, low);
          } else {
            ghosts.remove(high, low);
          }
          for (let other = -8; other <= 8; other++) {
            expect(ghosts.has(other, low)).toBe(ring.includes(`${other} ${low}`));
          }
        }
      }),
      { numRuns: Math.min(PROPERTY_RUNS, 300) },
    );
  });
});
