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
import type { KvCache, KvLease } from './kv-cache.ts';

/** Takes all pages one by one and returns them in the order in which they came: first the free ones, then those that were evicted. */
function takeAll(cache: KvCache): number[] {
  const filler = acquire(cache, '?', { mode: 'bypass' });
  for (let tokens = 8; filler.tryExtend(tokens).ok; tokens += 4) expectHealthy(cache);
  const pages = pagesOf(filler);
  filler.release();
  return pages;
}

/** Pages 1-3 hold a to c, 4-5 x and y, 6 m; 7 to 9 are free. All are unlocked, in this order. */
function filledCache(index: 'radix' | 'linear'): KvCache {
  const cache = cacheOf({ index });
  for (const text of ['aaaabbbbcccc', 'xxxxyyyy', 'mmmm']) serve(cache, text);
  expect(cache.stats()).toMatchObject({ freePages: 3, publishedPages: 6, evictablePages: 6 });
  return cache;
}

describe.each(INDEXES)('eviction from 10 pages of 4 tokens, %s index', (index) => {
  it('takes free pages first, then least recently used prompts, each from its tail', () => {
    expect(takeAll(filledCache(index))).toEqual([7, 8, 9, 3, 2, 1, 5, 4, 6]);
  });

  it('keeps the part of a prompt that was used again, and evicts its unused tail first', () => {
    const cache = filledCache(index);
    expect(serve(cache, 'aaaabbbbz')).toBe(8);
    // z is sealed in page 7: it was used last, its parents are kept for it.
    expect(takeAll(cache)).toEqual([8, 9, 3, 5, 4, 6, 7, 2, 1]);
  });

  it('refreshes a page that rows were copied from', () => {
    const cache = filledCache(index);
    const lease = acquire(cache, 'xxyy');
    expect(lease.matchedTokens).toBe(2);
    lease.transferred();
    lease.release();
    expect(takeAll(cache)).toEqual([7, 8, 9, 3, 2, 1, 5, 6, 4]);
  });

  it('does not refresh what is only probed', () => {
    const cache = filledCache(index);
    expect(matched(cache, 'aaaabbbbcccc!')).toBe(12);
    expect(takeAll(cache)).toEqual([7, 8, 9, 3, 2, 1, 5, 4, 6]);
  });

  it('never evicts what a lease locks, nor counts it as room', () => {
    const cache = filledCache(index);
    const lease = acquire(cache, 'aaaabbbbz');
    lease.transferred();
    expect(cache.stats()).toMatchObject({ freePages: 2, evictablePages: 4 });
    expect(takeAll(cache)).toEqual([8, 9, 3, 5, 4, 6]);
    expect(pagesOf(lease)).toEqual([1, 2, 7]);
    expect(matched(cache, 'aaaabbbbz')).toBe(8);
    lease.release();
    expectIdle(cache);
  });

  it('goes on with the prompt that it began to trim, unless somebody uses it', () => {
    const cache = filledCache(index);
    const filler = acquire(cache, '?', { mode: 'bypass' });
    filler.tryExtend(16);
    expect(pagesOf(filler)).toEqual([7, 8, 9, 3]);
    const lease: KvLease = acquire(cache, 'aaaa?', { roomTokens: 5 });
    expect(pagesOf(lease)).toEqual([1, 2]);
    expectHealthy(cache);
    lease.release();
    filler.tryExtend(20);
    expect(pagesOf(filler)).toEqual([7, 8, 9, 3, 2]);
    filler.tryExtend(28);
    expect(pagesOf(filler)).toEqual([7, 8, 9, 3, 2, 5, 4]);
    expect(matched(cache, 'aaaa?')).toBe(4);
    filler.release();
    expectIdle(cache);
  });

  it('evicts a parent only after all of its children, whichever was used last', () => {
    const cache = cacheOf({ index });
    for (const text of ['aaaabbbb', 'aaaacccc', 'aaaadddd']) serve(cache, text);
    serve(cache, 'aaaabbbb?');
    // Pages 3 and 4 hold c and d, 5 the sealed question mark, 2 and 1 what leads to it.
    expect(takeAll(cache).slice(-5)).toEqual([3, 4, 5, 2, 1]);
  });

  it('counts what it evicted', () => {
    const cache = filledCache(index);
    takeAll(cache);
    expect(cache.stats()).toMatchObject({ evictedPages: 6, publishedPages: 0, freePages: 9, nodes: 0 });
  });

  it('unlocks the path of a released lease from its end to the root', () => {
    const cache = cacheOf({ index });
    const first = publishAll(cache, 'aaaabbbb');
    const second = publishAll(cache, 'aaaabbbbcccc');
    second.release();
    expect(cache.stats().evictablePages).toBe(1);
    first.release();
    expect(cache.stats().evictablePages).toBe(3);
    expectIdle(cache);
  });
});
