import { describe, expect, it } from 'vitest';
import {
  acquire,
  cacheOf,
  expectHealthy,
  expectIdle,
  matched,
  pagesOf,
  publishAll,
  serve,
  tokensOf,
} from './cache.testing.ts';

describe('splits in the radix index', () => {
  it('keep a live lease valid when its node is split by a match', () => {
    const cache = cacheOf();
    const lease = publishAll(cache, 'aaaabbbbcccc');
    expect(cache.stats().nodes).toBe(1);
    const other = acquire(cache, 'aaaabbbbdddd');
    expect(cache.stats().nodes).toBe(2);
    expect(pagesOf(lease)).toEqual([1, 2, 3]);
    expectHealthy(cache);
    lease.tryExtend(16);
    lease.publish(tokensOf('aaaabbbbcccceeee'), 16);
    expect(matched(cache, 'aaaabbbbcccceeee!')).toBe(16);
    expectHealthy(cache);
    lease.release();
    expect(cache.stats().evictablePages).toBe(2);
    other.release();
    expectIdle(cache);
  });

  it('keep a live lease valid when its node is split by another one that publishes', () => {
    const cache = cacheOf({ pages: 12 });
    const first = acquire(cache, 'aaaabbbbcccc');
    const second = acquire(cache, 'aaaabbbbdddd');
    first.publish(tokensOf('aaaabbbbcccc'), 12);
    expect(cache.stats().nodes).toBe(1);
    second.publish(tokensOf('aaaabbbbdddd'), 12);
    expect(cache.stats().nodes).toBe(3);
    expectHealthy(cache);
    first.tryExtend(16);
    first.publish(tokensOf('aaaabbbbcccceeee'), 16);
    expectHealthy(cache);
    second.release();
    expect(matched(cache, 'aaaabbbbdddd!')).toBe(12);
    first.release();
    expectIdle(cache);
  });

  it('lock the head for both leases and the tail for one', () => {
    const cache = cacheOf();
    const long = publishAll(cache, 'aaaabbbbcccc');
    const short = acquire(cache, 'aaaa?');
    long.release();
    expect(cache.stats()).toMatchObject({ publishedPages: 3, evictablePages: 2 });
    short.release();
    expect(cache.stats().evictablePages).toBe(3);
    expectIdle(cache);
  });

  it('let a lease that ends in the head publish beside the tail', () => {
    const cache = cacheOf();
    const long = publishAll(cache, 'aaaabbbb');
    const short = publishAll(cache, 'aaaacccc');
    const again = publishAll(cache, 'aaaabbbbdddd');
    expect(cache.stats()).toMatchObject({ nodes: 4, publishedPages: 4 });
    expect(['aaaabbbb!', 'aaaacccc!', 'aaaabbbbdddd!'].map((text) => matched(cache, text))).toEqual([8, 8, 12]);
    expectHealthy(cache);
    for (const lease of [short, again, long]) lease.release();
    expectIdle(cache);
  });

  it('do not happen while one lease alone appends to its own label', () => {
    const cache = cacheOf();
    const lease = acquire(cache, 'a');
    for (let written = 4; written <= 36; written += 4) {
      lease.tryExtend(written);
      lease.publish(tokensOf('a'.repeat(36)), written);
    }
    expect(cache.stats()).toMatchObject({ nodes: 1, publishedPages: 9 });
    expectHealthy(cache);
    lease.release();
    expectIdle(cache);
  });

  it('cut a label again and again without losing a page', () => {
    const cache = cacheOf();
    const text = 'aaaabbbbccccddddeeee';
    serve(cache, text);
    for (const pages of [3, 1, 4, 2]) {
      acquire(cache, `${text.slice(0, pages * 4)}?`).release();
      expectHealthy(cache);
    }
    expect(cache.stats()).toMatchObject({ nodes: 5, publishedPages: 5 });
    expect(matched(cache, `${text}?`)).toBe(20);
  });
});
