import { describe, expect, it } from 'vitest';
import {
  acquire,
  cacheOf,
  copiesOf,
  expectHealthy,
  expectIdle,
  INDEXES,
  matched,
  pagesOf,
  publishAll,
  requestOf,
  serve,
} from './cache.testing.ts';

describe.each(INDEXES)('room, %s index', (index) => {
  it.each([
    [0, 1],
    [4, 1],
    [5, 2],
    [10, 3],
    [99, 3],
  ])('is allocated for %i of 10 tokens: %i pages', (roomTokens, pages) => {
    const cache = cacheOf({ index });
    expect(acquire(cache, 'aaaabbbbcc', { roomTokens }).pageCount).toBe(pages);
    expect(cache.freePages).toBe(9 - pages);
  });

  it('reaches at least one token beyond the match', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    expect(acquire(cache, 'aaaabbbbcccc', { roomTokens: 0 }).pageCount).toBe(3);
  });

  it('is refused with both numbers, and nothing changes', () => {
    const cache = cacheOf({ index });
    const lease = publishAll(cache, 'aaaabbbb');
    serve(cache, 'cccc');
    const before = cache.stats();
    expect(cache.acquire(requestOf('d'.repeat(32)))).toEqual({
      ok: false,
      reason: 'no-room',
      neededPages: 8,
      availablePages: 7,
    });
    expect(cache.stats()).toEqual(before);
    expect(matched(cache, 'aaaabbbb!')).toBe(8);
    expectHealthy(cache);
    lease.release();
    expectIdle(cache);
  });

  it('does not count the pages of the match, which are locked before', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbbccccdddd');
    const filler = acquire(cache, 'q'.repeat(20), { mode: 'bypass' });
    expect(cache).toMatchObject({ freePages: 0, evictablePages: 4 });
    const prompt = 'aaaabbbbccccddddeeee';
    expect(cache.acquire(requestOf(prompt))).toMatchObject({ ok: false, neededPages: 1, availablePages: 0 });
    expect(cache).toMatchObject({ freePages: 0, evictablePages: 4 });
    expectHealthy(cache);
    filler.release();
    expect(acquire(cache, prompt).matchedTokens).toBe(16);
  });

  it('keeps the pages that were to be kept', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    const prompt = 'c'.repeat(28);
    expect(cache.acquire(requestOf(prompt, { keepPages: 3 }))).toMatchObject({
      ok: false,
      neededPages: 7,
      availablePages: 6,
    });
    expect(cache.acquire(requestOf(prompt, { keepPages: 99 }))).toMatchObject({ ok: false, availablePages: 0 });
    const lease = acquire(cache, prompt, { keepPages: 2 });
    expect(cache.freePages + cache.evictablePages).toBe(2);
    lease.release();
  });

  it('is made by evicting, only as much as is needed', () => {
    const cache = cacheOf({ index });
    for (const text of ['aaaabbbb', 'ccccdddd', 'eeeeffff']) serve(cache, text);
    const lease = acquire(cache, 'g'.repeat(20));
    expect(cache.stats()).toMatchObject({ evictedPages: 2, publishedPages: 4, freePages: 0 });
    expect(matched(cache, 'ccccdddd!')).toBe(8);
    lease.release();
  });

  it('is found by giving up the copy when the page to copy from is the one that is missing', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaa'.repeat(9));
    const prompt = `${'aaaa'.repeat(2)}ab${'c'.repeat(26)}`;
    expect(matched(cache, prompt)).toBe(9);
    const lease = acquire(cache, prompt);
    expect(lease).toMatchObject({ matchedTokens: 8, missReason: 'evicted', pageCount: 9 });
    expect(copiesOf(lease.copies)).toEqual([]);
    expectHealthy(cache);
    lease.release();
    expectIdle(cache);
  });

  it('locks only the one page to copy from, not the rest of its label', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbbccccddddeeee');
    const lease = acquire(cache, 'aaaabbxx');
    expect(copiesOf(lease.copies)).toEqual([[2, 6, 2]]);
    expect(cache.stats()).toMatchObject({ publishedPages: 5, evictablePages: 3 });
    lease.transferred();
    expect(cache.stats().evictablePages).toBe(4);
    lease.release();
    expectIdle(cache);
  });

  it('is extended all or nothing', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    const lease = acquire(cache, 'cccc');
    expect(lease.tryExtend(4)).toEqual({ ok: true });
    expect(lease.tryExtend(37)).toEqual({ ok: false, reason: 'no-room', neededPages: 9, availablePages: 8 });
    expect([lease.pageCount, cache.stats().evictedPages]).toEqual([1, 0]);
    expect(lease.tryExtend(36)).toEqual({ ok: true });
    expect(pagesOf(lease)).toEqual([3, 4, 5, 6, 7, 8, 9, 2, 1]);
    expectHealthy(cache);
    expect(lease.tryExtend(0)).toEqual({ ok: true });
    expect(lease.pageCount).toBe(9);
  });

  it('is used to the last page of the smallest pool', () => {
    const cache = cacheOf({ index, pages: 2, pageSize: 1 });
    expect(serve(cache, 'a')).toBe(0);
    expect(serve(cache, 'a')).toBe(0);
    expect(serve(cache, 'b')).toBe(0);
    expect(cache.acquire(requestOf('ab'))).toMatchObject({ ok: false, neededPages: 2, availablePages: 1 });
    expectIdle(cache);
  });
});
