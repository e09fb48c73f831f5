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
  tokensOf,
} from './cache.testing.ts';
import type { KvLease } from './kv-cache.ts';

function fork(lease: KvLease, text: string): KvLease {
  const result = lease.fork(tokensOf(text), text.length);
  if (!result.ok) throw new Error(`refused: ${result.neededPages} pages needed, ${result.availablePages} available`);
  expect(result.copies).toBe(result.lease.copies);
  return result.lease;
}

describe.each(INDEXES)('fork, %s index', (index) => {
  it('shares full pages and copies the partly filled one', () => {
    const cache = cacheOf({ index });
    const parent = publishAll(cache, 'aaaabbbbcc');
    const child = fork(parent, 'aaaabbbbcc');
    expect(pagesOf(child)).toEqual([1, 2, 4]);
    expect(copiesOf(child.copies)).toEqual([[3, 4, 2]]);
    expect(child).toMatchObject({ sharedPages: 2, matchedTokens: 10, missReason: 'none' });
    expectHealthy(cache);
    child.transferred();
    child.publish(tokensOf('aaaabbbbccdd'), 12);
    parent.publish(tokensOf('aaaabbbbccee'), 12);
    expect(['aaaabbbbccdd!', 'aaaabbbbccee!'].map((text) => matched(cache, text))).toEqual([12, 12]);
    expectHealthy(cache);
    for (const lease of [parent, child]) lease.release();
    expectIdle(cache);
  });

  it('publishes the full pages that it shares', () => {
    const cache = cacheOf({ index });
    const parent = acquire(cache, 'aaaabbbb');
    const child = fork(parent, 'aaaabbbb');
    expect([pagesOf(child), child.copies]).toEqual([[1, 2], []]);
    expect(cache.stats()).toMatchObject({ publishedPages: 2, privatePages: 0 });
    expectHealthy(cache);
    parent.release();
    expect(cache.evictablePages).toBe(0);
    child.release();
    expectIdle(cache);
  });

  it('keeps the source of the copy when the parent is released first', () => {
    const cache = cacheOf({ index });
    const parent = publishAll(cache, 'aaaabb');
    const child = fork(parent, 'aaaabb');
    parent.release();
    expect(cache.stats()).toMatchObject({ publishedPages: 1, detachedPages: 1, privatePages: 1 });
    expectHealthy(cache);
    child.transferred();
    expect(cache.stats().detachedPages).toBe(0);
    child.release();
    expectIdle(cache);
  });

  it('lets the parent write on, but not publish the page that the fork still reads', () => {
    const cache = cacheOf({ index });
    const parent = publishAll(cache, 'aaaabb');
    const child = fork(parent, 'aaaabb');
    parent.tryExtend(12);
    parent.publish(tokensOf('aaaabbbbcccc'), 12);
    expect(parent.sharedPages).toBe(1);
    expectHealthy(cache);
    child.transferred();
    parent.publish(tokensOf('aaaabbbbcccc'), 12);
    expect(parent.sharedPages).toBe(3);
    expectHealthy(cache);
    for (const lease of [parent, child]) lease.release();
    expectIdle(cache);
  });

  it('lets the parent end, but not seal the page that the fork still reads', () => {
    const cache = cacheOf({ index });
    const parent = publishAll(cache, 'aaaabb');
    const child = fork(parent, 'aaaabb');
    parent.seal(tokensOf('aaaabb'), 6);
    expect(parent.sharedPages).toBe(1);
    expectHealthy(cache);
    parent.release();
    expect(cache.stats()).toMatchObject({ publishedPages: 1, detachedPages: 1 });
    child.transferred();
    child.seal(tokensOf('aaaabb'), 6);
    expect(matched(cache, 'aaaabb!')).toBe(6);
    child.release();
    expectIdle(cache);
  });

  it('copies full pages too when the parent could not publish them yet', () => {
    const cache = cacheOf({ index });
    const parent = publishAll(cache, 'aaaabb');
    const first = fork(parent, 'aaaabb');
    parent.tryExtend(12);
    const second = fork(parent, 'aaaabbbbcc');
    expect(copiesOf(second.copies)).toEqual([
      [2, 5, 4],
      [4, 6, 2],
    ]);
    expectHealthy(cache);
    for (const lease of [first, second, parent]) lease.release();
    expectIdle(cache);
  });

  it('of a lease that bypasses the index shares its full pages without publishing them', () => {
    const cache = cacheOf({ index });
    const parent = acquire(cache, 'aaaabbbbcc', { mode: 'bypass' });
    const child = fork(parent, 'aaaabbbbcc');
    expect(pagesOf(child)).toEqual([1, 2, 4]);
    expect(copiesOf(child.copies)).toEqual([[3, 4, 2]]);
    expect([parent.sharedPages, child.sharedPages]).toEqual([2, 2]);
    expect(cache.stats()).toMatchObject({ detachedPages: 2, privatePages: 2, publishedPages: 0 });
    expectHealthy(cache);
    parent.release();
    expect(cache.stats()).toMatchObject({ detachedPages: 3, privatePages: 1 });
    child.transferred();
    child.release();
    expectIdle(cache);
    expect(cache.freePages).toBe(9);
  });

  it('of a detached lease shares detached pages', () => {
    const cache = cacheOf({ index });
    const parent = publishAll(cache, 'aaaabb');
    cache.clear();
    const child = fork(parent, 'aaaabb');
    expect(pagesOf(child)).toEqual([1, 3]);
    child.transferred();
    expectHealthy(cache);
    parent.release();
    expect(cache.stats()).toMatchObject({ detachedPages: 1, privatePages: 1 });
    expectHealthy(cache);
    child.release();
    expectIdle(cache);
  });

  it('of a sealed lease copies the sealed page and can go on', () => {
    const cache = cacheOf({ index });
    const parent = publishAll(cache, 'aaaabb');
    parent.seal(tokensOf('aaaabb'), 6);
    const child = fork(parent, 'aaaabb');
    expect(copiesOf(child.copies)).toEqual([[2, 3, 2]]);
    parent.release();
    expect(cache.evictablePages).toBe(0);
    expectHealthy(cache);
    child.transferred();
    expect(cache.evictablePages).toBe(1);
    child.publish(tokensOf('aaaabbcc'), 8);
    expect(matched(cache, 'aaaabbcc!')).toBe(8);
    expectHealthy(cache);
    child.release();
    expectIdle(cache);
  });

  it('of nothing is an empty lease', () => {
    const cache = cacheOf({ index });
    const parent = acquire(cache, 'aaaa');
    const child = fork(parent, '');
    expect(pagesOf(child)).toEqual([]);
    expectHealthy(cache);
    for (const lease of [parent, child]) lease.release();
    expectIdle(cache);
  });

  it('is refused with both numbers when there is no page for the copy, and nothing is held', () => {
    const cache = cacheOf({ index });
    const parent = publishAll(cache, 'a'.repeat(34));
    expect(parent.fork(tokensOf('a'.repeat(34)), 34)).toEqual({
      ok: false,
      reason: 'no-room',
      neededPages: 1,
      availablePages: 0,
    });
    expectHealthy(cache);
    parent.release();
    expectIdle(cache);
  });

  it('takes over all published tokens or none', () => {
    const cache = cacheOf({ index });
    const parent = publishAll(cache, 'aaaabbbb');
    expect(() => parent.fork(tokensOf('aaaabbbb'), 5)).toThrow(expect.objectContaining({ code: 'INVALID_TOKENS' }));
    const sealed = publishAll(cache, 'cccdd');
    sealed.seal(tokensOf('cccdd'), 5);
    expect(() => sealed.fork(tokensOf('cccdd'), 4)).toThrow(expect.objectContaining({ code: 'INVALID_TOKENS' }));
    expectHealthy(cache);
  });

  it('waits for rows that were not copied yet', () => {
    const cache = cacheOf({ index });
    const parent = publishAll(cache, 'aaaabb');
    const child = fork(parent, 'aaaabb');
    expect(() => child.fork(tokensOf('aaaabb'), 6)).toThrow(expect.objectContaining({ code: 'COPIES_PENDING' }));
    expectHealthy(cache);
  });
});
