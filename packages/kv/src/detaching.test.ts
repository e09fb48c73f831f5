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
  tokensOf,
} from './cache.testing.ts';

describe.each(INDEXES)('clearing, %s index', (index) => {
  it('frees what no lease holds and returns how many pages left', () => {
    const cache = cacheOf({ index });
    for (const text of ['aaaabbbb', 'aaaacc', 'dddd']) serve(cache, text);
    expect(cache.clear()).toBe(4);
    expect(cache.stats()).toMatchObject({
      freePages: 9,
      publishedPages: 0,
      evictablePages: 0,
      nodes: 0,
      evictedPages: 0,
    });
    expect(cache.clear()).toBe(0);
    expectIdle(cache);
  });

  it('detaches what leases hold: it is not matched any more, and freed with the last of them', () => {
    const cache = cacheOf({ index });
    const first = publishAll(cache, 'aaaabbbb');
    const second = publishAll(cache, 'aaaacccc');
    expect(cache.clear()).toBe(3);
    expect(matched(cache, 'aaaabbbb')).toBe(0);
    expect(cache.stats()).toMatchObject({ detachedPages: 3, publishedPages: 0 });
    expect(pagesOf(first)).toEqual([1, 2]);
    expectHealthy(cache);
    first.release();
    expect(cache.stats()).toMatchObject({ detachedPages: 2, freePages: 7 });
    expectHealthy(cache);
    second.release();
    expectIdle(cache);
    expect(cache.freePages).toBe(9);
  });

  it('stops publication by leases whose path was detached', () => {
    const cache = cacheOf({ index });
    const lease = acquire(cache, 'aaaabbbbcc');
    lease.publish(tokensOf('aaaabbbbcc'), 4);
    cache.clear();
    lease.publish(tokensOf('aaaabbbbcc'), 10);
    lease.seal(tokensOf('aaaabbbbcc'), 10);
    expect(lease.sharedPages).toBe(1);
    expect(matched(cache, 'aaaabbbbcc')).toBe(0);
    expect(cache.stats()).toMatchObject({ publishedPages: 0, detachedPages: 1, privatePages: 2 });
    expectHealthy(cache);
    lease.release();
    expectIdle(cache);
  });

  it('stops publication by leases that had not published yet', () => {
    const cache = cacheOf({ index });
    const lease = acquire(cache, 'aaaa');
    cache.clear();
    lease.publish(tokensOf('aaaa'), 4);
    expect(cache.stats()).toMatchObject({ publishedPages: 0, privatePages: 1 });
    expectHealthy(cache);
    lease.release();
    expectIdle(cache);
  });

  it('lets detached and newly published pages of the same tokens live side by side', () => {
    const cache = cacheOf({ index });
    const old = publishAll(cache, 'aaaabbbb');
    cache.clear();
    const young = publishAll(cache, 'aaaabbbb');
    expect([pagesOf(old), pagesOf(young)]).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expectHealthy(cache);
    old.release();
    expect(matched(cache, 'aaaabbbb!')).toBe(8);
    young.release();
    expectIdle(cache);
  });

  it('keeps the source of a pending copy until the rows have arrived', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    const lease = acquire(cache, 'aaaabbcc');
    expect(cache.clear()).toBe(2);
    expect(cache.stats()).toMatchObject({ detachedPages: 2, privatePages: 1, freePages: 6 });
    expectHealthy(cache);
    lease.transferred();
    expect(cache.stats()).toMatchObject({ detachedPages: 1, privatePages: 1, freePages: 7 });
    expectHealthy(cache);
    lease.release();
    expectIdle(cache);
  });

  it('gives the source of a pending copy back when the lease is released instead', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    const lease = acquire(cache, 'aaaabbcc');
    cache.clear();
    lease.release();
    expectIdle(cache);
    expect(cache.freePages).toBe(9);
  });

  it('of one salt leaves the others alone', () => {
    const cache = cacheOf({ index });
    for (const salt of ['x', 'y']) serve(cache, 'aaaabbbb', { salt });
    expect(cache.clear('x')).toBe(2);
    expect(cache.clear('unknown')).toBe(0);
    expect([matched(cache, 'aaaabbbb!', 'x'), matched(cache, 'aaaabbbb!', 'y')]).toEqual([0, 8]);
    expectIdle(cache);
  });
});
