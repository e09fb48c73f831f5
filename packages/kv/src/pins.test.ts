import { describe, expect, it } from 'vitest';
import { acquire, cacheOf, expectHealthy, expectIdle, INDEXES, matched, serve, tokensOf } from './cache.testing.ts';
import type { KvCache } from './kv-cache.ts';
import type { ClaimOptions } from './lifetimes.ts';
import { claim, timed } from './timed-cache.testing.ts';

describe.each(INDEXES)('pins, %s index', (index) => {
  const pinOf = (cache: KvCache, text: string, options: ClaimOptions = {}) =>
    cache.pin({ tokens: tokensOf(text), tokenCount: text.length, salt: '', claim: options });

  it('are granted within the budget, share pages, and cost only new ones', () => {
    const { cache } = timed(index, { pinBudgetPages: 4 });
    serve(cache, 'aaaabbbbcc');
    serve(cache, 'aaaadddd');
    expect(pinOf(cache, 'aaaabbbbcc')).toMatchObject({ outcome: 'granted', tokens: 10, newPages: 3 });
    expect(pinOf(cache, 'aaaadddd')).toMatchObject({ outcome: 'granted', tokens: 8, newPages: 1 });
    expect(cache.stats()).toMatchObject({ pinnedPages: 4, evictablePages: 0, pins: 2 });
    expectHealthy(cache);
  });

  it('are clipped from the tail, with how much, and refused when nothing fits', () => {
    const { cache } = timed(index, { pinBudgetPages: 2 });
    serve(cache, 'aaaabbbbcccc');
    serve(cache, 'xxxx');
    expect(pinOf(cache, 'aaaabbbbcccc')).toMatchObject({
      ...{ outcome: 'clipped', reason: 'budget', tokens: 8, newPages: 2, wantedTokens: 12, missingPages: 1 },
    });
    expect(pinOf(cache, 'xxxx')).toEqual({ outcome: 'refused', reason: 'budget', neededPages: 1, availablePages: 0 });
    expect(pinOf(cache, 'zzzz')).toMatchObject({ outcome: 'refused', reason: 'not-cached' });
    expect(pinOf(cache, 'aaaabbbb')).toMatchObject({ outcome: 'granted', newPages: 0 });
    expectHealthy(cache);
  });

  it('outlive everything but their own end, and free what only they covered', () => {
    const { cache, pass } = timed(index, { pages: 6, pinBudgetPages: 2 });
    serve(cache, 'aaaabbbb', claim({ tags: ['x'] }));
    const pin = pinOf(cache, 'aaaabbbb', { ttlMs: 100, tags: ['p'] });
    expect(pin.outcome).toBe('granted');
    cache.invalidate({ tag: 'x' });
    const filler = acquire(cache, '?', { mode: 'bypass' });
    for (let tokens = 8; filler.tryExtend(tokens).ok; tokens += 4) expect(matched(cache, 'aaaabbbb!')).toBe(8);
    expect(filler.pageCount).toBe(3);
    filler.release();
    pass(100);
    cache.expire();
    expect(cache.stats()).toMatchObject({ pinnedPages: 0, publishedPages: 0, pins: 0 });
    expect(pin.outcome === 'granted' && cache.unpin(pin.pin)).toBe(false);
    expectIdle(cache);
  });
});

describe('what makes no sense', () => {
  it.each([
    [{ ttlMs: 0 }, /ttlMs must be whole milliseconds from 1/],
    [{ ttlMs: -5 }, /not -5/],
    [{ slidingTtlMs: 1e18 }, /ten years/],
    [{ ttlMs: Number.NaN }, /ttlMs/],
    [{ context: ['x'] }, /needs the session/],
    [{ tags: [''] }, /not empty/],
    [{ tags: ['a@1', 'a@2'] }, /two versions/],
    [{ priority: 'urgent' as 'high' }, /"low", "normal" or "high"/],
    [{ sesion: 's' } as object, /Unknown claim field "sesion"/],
  ])('is refused: %o', (options, message) => {
    const { cache } = timed('radix');
    expect(() => acquire(cache, 'aaaa', claim(options as ClaimOptions))).toThrow(message);
    expectIdle(cache);
  });

  it('is a time without a clock', () => {
    expect(() => acquire(cacheOf(), 'aaaa', claim({ ttlMs: 5 }))).toThrow(/needs a cache with a clock/);
    expect(() => cacheOf({ lifetimes: { sessionIdleMs: 5 } })).toThrow(/needs a cache with a clock/);
  });

  it('is a pin budget that leaves nothing to requests', () => {
    expect(() => cacheOf({ pages: 10, pinBudgetPages: 9 })).toThrow(/at least one must be left/);
  });

  it('is a target that names nothing, or something unknown', () => {
    const { cache } = timed('radix');
    expect(() => cache.invalidate({})).toThrow(/Name a tag/);
    expect(() => cache.invalidate({ tags: 'x' } as object)).toThrow(/Unknown target/);
    expect(cache.invalidate({ tag: 'x', session: 's' })).toEqual({ claims: 0, pages: 0, freedPages: 0, endedPins: 0 });
  });
});
