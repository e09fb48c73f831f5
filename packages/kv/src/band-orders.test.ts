import { describe, expect, it } from 'vitest';
import { slotOf } from './band-orders.ts';
import { acquire, cacheOf, expectHealthy, INDEXES, matched, serve } from './cache.testing.ts';

describe('slots of the eviction order', () => {
  it('are lower for lower bands, and within a band for what nobody reused', () => {
    const slots = [0, 1, 2].flatMap((band) => [slotOf(band, false), slotOf(band, true)]);
    expect(slots).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe.each(INDEXES)('eviction under a flood of prompts that never come again, %s index', (index) => {
  it('keeps what was reused', () => {
    const cache = cacheOf({ index, pages: 21 });
    for (let use = 0; use < 2; use++) serve(cache, 'SYSTEMPROMPT!');
    for (let flood = 0; flood < 50; flood++) serve(cache, `${String.fromCharCode(200 + flood)}234567`);
    expect(matched(cache, 'SYSTEMPROMPT!?')).toBeGreaterThanOrEqual(12);
    expectHealthy(cache);
  });

  it('does not keep for ever what was reused once: old ones give way to new ones', () => {
    const cache = cacheOf({ index, pages: 11 });
    for (const text of ['aaaa', 'bbbb', 'cccc', 'dddd', 'eeee', 'ffff', 'gggg', 'hhhh', 'iiii']) {
      for (let use = 0; use < 2; use++) serve(cache, `${text}!`, { mode: use === 0 ? 'share' : 'use-only' });
    }
    const lease = acquire(cache, 'newnewne');
    lease.release();
    // Far more reused pages than fresh ones: the oldest reused one went, and the pool was not stuck.
    expect(matched(cache, 'aaaa?')).toBe(0);
    expect(matched(cache, 'iiii?')).toBe(4);
    expectHealthy(cache);
  });
});
