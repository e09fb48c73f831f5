import { describe, expect, it } from 'vitest';
import {
  acquire,
  cacheOf,
  expectHealthy,
  expectIdle,
  INDEXES,
  matched,
  pagesOf,
  publishAll,
  serve,
} from './cache.testing.ts';

describe.each(INDEXES)('salts, %s index', (index) => {
  it('never share a page', () => {
    const cache = cacheOf({ index });
    const leases = ['x', 'y', ''].map((salt) => publishAll(cache, 'aaaabbbb', { salt }));
    expect(leases.map(({ matchedTokens }) => matchedTokens)).toEqual([0, 0, 0]);
    expect(new Set(leases.flatMap(pagesOf)).size).toBe(6);
    expectHealthy(cache);
    for (const lease of leases) lease.release();
    expect(matched(cache, 'aaaabbbb!', 'x')).toBe(8);
    expect(matched(cache, 'aaaabbbb!', 'z')).toBe(0);
    expectIdle(cache);
  });

  it('tell nothing about each other: what one lost is cold to the other', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb', { salt: 'x' });
    acquire(cache, 'q'.repeat(36), { mode: 'bypass' }).release();
    expect(cache.match(new Uint32Array([97, 97, 97, 97, 97]), 5, 'x').missReason).toBe('evicted');
    expect(cache.match(new Uint32Array([97, 97, 97, 97, 97]), 5, 'y').missReason).toBe('cold');
  });

  it('share one eviction order', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaa', { salt: 'x' });
    serve(cache, 'aaaa', { salt: 'y' });
    acquire(cache, 'q'.repeat(32), { mode: 'bypass' }).release();
    expect([matched(cache, 'aaaa!', 'x'), matched(cache, 'aaaa!', 'y')]).toEqual([0, 4]);
  });

  it('leave nothing behind, however many there were', () => {
    const cache = cacheOf({ index });
    for (let tenant = 0; tenant < 2_000; tenant++) serve(cache, 'aaaabb', { salt: `tenant ${tenant}` });
    expect(cache.stats().nodes).toBeLessThanOrEqual(9);
    expectIdle(cache);
    cache.clear();
    expect(cache.stats().nodes).toBe(0);
  });
});
