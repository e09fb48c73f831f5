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
  serve,
  tokensOf,
} from './cache.testing.ts';

describe.each(INDEXES)('publishing, %s index', (index) => {
  it('shares a page from the moment it is published, not before', () => {
    const cache = cacheOf({ index });
    const lease = acquire(cache, 'aaaabbbbcc');
    expect(matched(cache, 'aaaabbbbcc')).toBe(0);
    lease.publish(tokensOf('aaaabbbbcc'), 7);
    expect(matched(cache, 'aaaabbbbcc')).toBe(4);
    expect(lease.sharedPages).toBe(1);
    lease.publish(tokensOf('aaaabbbbcc'), 10);
    expect(matched(cache, 'aaaabbbbcc')).toBe(8);
    expect(lease.sharedPages).toBe(2);
    expectHealthy(cache);
  });

  it('never matches the last token of a prompt, so that one is always computed', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    expect(matched(cache, 'aaaabbbb')).toBe(7);
    expect(matched(cache, 'a')).toBe(0);
    const lease = acquire(cache, 'aaaabbbb');
    expect(lease.missReason).toBe('none');
    expect(copiesOf(lease.copies)).toEqual([[2, 3, 3]]);
  });

  it('swaps a page that another lease published first, and frees the duplicate', () => {
    const cache = cacheOf({ index });
    const first = acquire(cache, 'aaaabbbbcccc');
    const second = acquire(cache, 'aaaabbbbdddd');
    expect([pagesOf(first), pagesOf(second)]).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    first.publish(tokensOf('aaaabbbbcccc'), 12);
    second.publish(tokensOf('aaaabbbbdddd'), 12);
    expect(pagesOf(second)).toEqual([1, 2, 6]);
    expect(second.sharedPages).toBe(3);
    expect(cache.stats()).toMatchObject({ freePages: 5, publishedPages: 4, privatePages: 0 });
    expectHealthy(cache);
    first.release();
    expect(matched(cache, 'aaaabbbbdddd')).toBe(11);
    second.release();
    expectIdle(cache);
  });

  it('goes on from a duplicate into pages of its own', () => {
    const cache = cacheOf({ index });
    const first = publishAll(cache, 'aaaa');
    const second = acquire(cache, 'bbbb', { roomTokens: 4 });
    second.release();
    const third = acquire(cache, 'aa');
    third.transferred();
    third.tryExtend(8);
    third.publish(tokensOf('aaaabbbb'), 8);
    expect(pagesOf(third)).toEqual([1, 3]);
    expect(matched(cache, 'aaaabbbb!')).toBe(8);
    expectHealthy(cache);
    first.release();
    third.release();
    expectIdle(cache);
  });

  it('publishes nothing again when nothing new was written', () => {
    const cache = cacheOf({ index });
    const lease = publishAll(cache, 'aaaabb');
    const before = cache.stats();
    lease.publish(tokensOf('aaaabb'), 6);
    lease.publish(tokensOf('aaaabb'), 0);
    expect(cache.stats()).toEqual(before);
  });

  it('does not publish what bypasses the index', () => {
    const cache = cacheOf({ index });
    expect(serve(cache, 'aaaabbbb', { mode: 'bypass' })).toBe(0);
    expect(cache.stats()).toMatchObject({ publishedPages: 0, freePages: 9 });
    serve(cache, 'aaaabbbb');
    const lease = acquire(cache, 'aaaabbbb', { mode: 'bypass' });
    expect(lease).toMatchObject({ matchedTokens: 0, missReason: 'bypass', sharedPages: 0 });
    lease.publish(tokensOf('aaaabbbb'), 8);
    expect(lease.sharedPages).toBe(0);
    expectHealthy(cache);
  });

  it('asks for the copied rows before it publishes the page they were copied to', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    const lease = acquire(cache, 'aaaabbcc');
    expect(() => lease.publish(tokensOf('aaaabbcc'), 8)).toThrow(expect.objectContaining({ code: 'COPIES_PENDING' }));
    lease.transferred();
    lease.publish(tokensOf('aaaabbcc'), 8);
    expect(matched(cache, 'aaaabbcc!')).toBe(8);
    expectHealthy(cache);
  });
});

describe.each(INDEXES)('sealed tails, %s index', (index) => {
  it('are reused to the token, by copying', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbb');
    const lease = acquire(cache, 'aaaabbbbcc');
    expect(lease.matchedTokens).toBe(7);
    expect(copiesOf(lease.copies)).toEqual([[2, 3, 3]]);
    expect(pagesOf(lease)).toEqual([1, 3, 4]);
    expectHealthy(cache);
    lease.transferred();
    lease.publish(tokensOf('aaaabbbbcc'), 10);
    expectHealthy(cache);
    lease.release();
    expectIdle(cache);
  });

  it('give way to a sibling that starts with their tokens', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabb');
    expect(cache.stats().publishedPages).toBe(2);
    serve(cache, 'aaaabbb');
    expect(cache.stats().publishedPages).toBe(2);
    serve(cache, 'aaaabbbb');
    expect(cache.stats()).toMatchObject({ publishedPages: 2, evictedPages: 0 });
    expect(matched(cache, 'aaaabbbb!')).toBe(8);
    expectIdle(cache);
  });

  it('stay beside a sibling that starts otherwise', () => {
    const cache = cacheOf({ index });
    for (const text of ['aaaabb', 'aaaab!', 'aaaaa', 'aaaacccc']) serve(cache, text);
    expect(cache.stats().publishedPages).toBe(5);
    expect(['aaaabb!', 'aaaab!!', 'aaaaa!', 'aaaacccc!'].map((text) => matched(cache, text))).toEqual([6, 6, 5, 8]);
    expectIdle(cache);
  });

  it('are not stored when a longer page begins with their tokens', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    const lease = publishAll(cache, 'aaaabb');
    lease.seal(tokensOf('aaaabb'), 6);
    expect(lease.sharedPages).toBe(1);
    expect(cache.stats()).toMatchObject({ publishedPages: 2, privatePages: 1 });
    expectHealthy(cache);
    lease.release();
    expectIdle(cache);
  });

  it('are swapped for the same tail that another lease sealed first', () => {
    const cache = cacheOf({ index });
    const leases = [publishAll(cache, 'aaaabb'), publishAll(cache, 'aaaabb')];
    for (const lease of leases) lease.seal(tokensOf('aaaabb'), 6);
    expect(leases.map(pagesOf)).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(cache.stats()).toMatchObject({ publishedPages: 2, freePages: 7 });
    expectHealthy(cache);
    for (const lease of leases) lease.release();
    expectIdle(cache);
  });

  it('live on, detached, while a transfer reads them after they gave way', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabb');
    const reader = acquire(cache, 'aaaabbcc');
    expect(copiesOf(reader.copies)).toEqual([[2, 3, 2]]);
    const writer = publishAll(cache, 'aaaabbbb');
    expect(cache.stats()).toMatchObject({ detachedPages: 1, publishedPages: 2 });
    expectHealthy(cache);
    reader.transferred();
    expect(cache.stats().detachedPages).toBe(0);
    expectHealthy(cache);
    writer.release();
    reader.release();
    expectIdle(cache);
  });

  it('live on, detached, while the lease that sealed them holds them', () => {
    const cache = cacheOf({ index });
    const sealed = publishAll(cache, 'aaaabb');
    sealed.seal(tokensOf('aaaabb'), 6);
    serve(cache, 'aaaabbbb');
    expect(cache.stats()).toMatchObject({ detachedPages: 1, publishedPages: 2 });
    expectHealthy(cache);
    sealed.release();
    expectIdle(cache);
  });

  it('end a lease: it cannot be extended or published further, and sealing again changes nothing', () => {
    const cache = cacheOf({ index });
    const lease = publishAll(cache, 'aaaabb');
    lease.seal(tokensOf('aaaabb'), 6);
    const before = cache.stats();
    lease.seal(tokensOf('aaaabb'), 6);
    lease.publish(tokensOf('aaaabb'), 6);
    expect(cache.stats()).toEqual(before);
    expect(() => lease.tryExtend(7)).toThrow(expect.objectContaining({ code: 'LEASE_SEALED' }));
    expect(() => lease.publish(tokensOf('aaaabbb'), 7)).toThrow(expect.objectContaining({ code: 'LEASE_SEALED' }));
  });

  it('are no pages at all when the sequence ends with a full page', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    expect(cache.stats().publishedPages).toBe(2);
    expect(matched(cache, 'aaaabbbb!')).toBe(8);
  });

  it('are not made while the copied rows have not arrived', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabb');
    const lease = acquire(cache, 'aaaabbb');
    expect(() => lease.seal(tokensOf('aaaabbb'), 7)).toThrow(expect.objectContaining({ code: 'COPIES_PENDING' }));
    lease.transferred();
    lease.seal(tokensOf('aaaabbb'), 7);
    lease.release();
    expectIdle(cache);
  });
});
