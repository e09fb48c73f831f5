import { describe, expect, it } from 'vitest';
import { expectHealthy, expectIdle, INDEXES, matched, serve, tokensOf } from './cache.testing.ts';
import type { KvCache } from './kv-cache.ts';
import { EXPIRY_WORK } from './kv-lifetimes.ts';
import { claim, timed } from './timed-cache.testing.ts';

function reasonFor(cache: KvCache, text: string): string {
  return cache.match(tokensOf(text), text.length, '').missReason;
}

describe.each(INDEXES)('times to live while pages are freed late, %s index', (index) => {
  it('are exact to the millisecond, however late the pages are freed', () => {
    const { cache, pass } = timed(index);
    serve(cache, 'aaaabbbb', claim({ ttlMs: 100 }));
    serve(cache, 'aaaacccc');
    pass(99);
    expect(matched(cache, 'aaaabbbb!')).toBe(8);
    pass(1);
    expect([matched(cache, 'aaaabbbb!'), matched(cache, 'aaaacccc!')]).toEqual([4, 8]);
    expect(reasonFor(cache, 'aaaabbbb!')).toBe('expired');
    expect(cache.stats().publishedPages).toBe(3);
    expect(cache.expire()).toBe(1);
    expect(cache.stats().publishedPages).toBe(2);
    expect(reasonFor(cache, 'aaaabbbb!')).toBe('expired');
    expectIdle(cache);
  });

  it('do not hide what lives behind what is over, however late its pages are freed', () => {
    const { cache, pass } = timed(index);
    for (const text of ['aabb', 'aacc', 'aaee', 'aaff']) serve(cache, text, claim({ ttlMs: 10 }));
    serve(cache, 'aaxx');
    serve(cache, 'aagg', claim({ ttlMs: 20 }));
    serve(cache, 'abzz');
    pass(15);
    expect([matched(cache, 'aa?'), matched(cache, 'aadd?'), matched(cache, 'aaxx?')]).toEqual([2, 2, 4]);
    // The other prompts lost no token that was there for them.
    expect([reasonFor(cache, 'aadd?'), reasonFor(cache, 'aabb?')]).toEqual(['cold', 'expired']);
    pass(10);
    expect([matched(cache, 'aagg?'), matched(cache, 'aa?')]).toEqual([2, 2]);
    expect(cache.expire()).toBe(5);
    expect([matched(cache, 'aagg?'), matched(cache, 'aa?')]).toEqual([2, 2]);
    expectIdle(cache);
  });

  it('are exact where the longest claims below were ended by request and the wheel is late', () => {
    const { cache, pass } = timed(index);
    serve(cache, 'aaaabbbbcccc', claim({ ttlMs: 20 }));
    serve(cache, 'aaaabbbbdddd', claim({ ttlMs: 40 }));
    serve(cache, 'aaaabbbbdddd', claim({ tags: ['x'] }));
    serve(cache, 'aaaaeeee', claim({ tags: ['x'] }));
    cache.invalidate({ tag: 'x' });
    pass(25);
    expect([matched(cache, 'aaaabbbbcccc!'), matched(cache, 'aaaabbbbdddd!')]).toEqual([8, 12]);
    pass(25);
    expect([matched(cache, 'aaaabbbbcccc!'), matched(cache, 'aaaabbbbdddd!')]).toEqual([0, 0]);
    expectHealthy(cache);
    expect(cache.expire()).toBe(2);
    expectIdle(cache);
  });

  it('are exact where the longest claim was ended by request and the wheel is late', () => {
    const { cache, pass } = timed(index);
    serve(cache, 'aaaa', claim({ ttlMs: 20 }));
    serve(cache, 'aaaa', claim({ tags: ['x'] }));
    cache.invalidate({ tag: 'x' });
    pass(25);
    expect(matched(cache, 'aaaa!')).toBe(0);
    expectHealthy(cache);
  });
});

describe('times to live in the radix index', () => {
  it('of an idle session with many entries end over several steps', () => {
    const entries = 2 * EXPIRY_WORK;
    const { cache, pass } = timed('radix', { pages: entries + 10, lifetimes: { sessionIdleMs: 100 } });
    for (let entry = 0; entry < entries; entry++) {
      const text = String.fromCharCode(entry, entry, entry, entry);
      serve(cache, text, claim({ session: 's', tags: [`t${entry % 7}`] }));
    }
    pass(100);
    const ended: number[] = [];
    for (let step = 0; step < 10 && cache.stats().sessions > 0; step++) ended.push(cache.expire());
    expect(ended.reduce((sum, count) => sum + count)).toBe(entries);
    // A claim and a page each.
    expect(Math.max(...ended)).toBeLessThanOrEqual(EXPIRY_WORK / 2);
    expect(cache.stats()).toMatchObject({ sessions: 0, claims: 0, publishedPages: 0 });
    expectIdle(cache);
  });

  it('say that they are behind until all that is due has ended, also after looks that only moved timers', () => {
    const entries = 3 * EXPIRY_WORK;
    const { cache, pass } = timed('radix', { pages: entries + 10 });
    for (let entry = 0; entry < entries; entry++) {
      const text = String.fromCharCode(entry, entry, entry, entry);
      serve(cache, text, claim({ ttlMs: 70_000 }));
    }
    expect(cache.isExpiryBehind).toBe(false);
    // Nothing is due, but the timers go to a finer wheel.
    pass(69_900);
    const ended: number[] = [];
    do ended.push(cache.expire());
    while (cache.isExpiryBehind);
    expect(ended.length).toBeGreaterThanOrEqual(3);
    expect(new Set(ended)).toEqual(new Set([0]));
    pass(100);
    ended.length = 0;
    do ended.push(cache.expire());
    while (cache.isExpiryBehind);
    expect(ended.reduce((sum, count) => sum + count)).toBe(entries);
    expect(ended.length).toBeLessThan(20);
    expectIdle(cache);
  });

  it('of idle sessions make it behind, too', () => {
    const sessions = 2 * EXPIRY_WORK;
    const { cache, pass } = timed('radix', { pages: sessions + 10, lifetimes: { sessionIdleMs: 100 } });
    for (let session = 0; session < sessions; session++) serve(cache, 'aaaa', claim({ session: `s${session}` }));
    pass(100);
    let looks = 0;
    do {
      cache.expire();
      looks++;
    } while (cache.isExpiryBehind);
    expect(looks).toBeGreaterThan(2);
    expect(cache.stats()).toMatchObject({ sessions: 0, claims: 0, publishedPages: 0 });
    expectIdle(cache);
  });
});
