import { describe, expect, it } from 'vitest';
import { acquire, cacheOf, INDEXES, publishAll, serve, tokensOf } from './cache.testing.ts';
import type { KvCache, MissReason } from './kv-cache.ts';

function reasonFor(cache: KvCache, text: string): MissReason {
  return cache.match(tokensOf(text), text.length, '').missReason;
}

/** Makes the cache evict until `pages` pages are free. */
function makeRoom(cache: KvCache, pages: number): void {
  acquire(cache, '?'.repeat(pages * cache.pageSize), { mode: 'bypass' }).release();
}

describe.each(INDEXES)('miss reasons, %s index', (index) => {
  it('are none when only the last token has to be computed', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbb');
    expect([reasonFor(cache, 'aaaabbb'), reasonFor(cache, 'a')]).toEqual(['none', 'none']);
  });

  it('are cold for tokens that were never there', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    expect(['cccc', 'aaaabbbc!', 'aaaabbbbc!'].map((text) => reasonFor(cache, text))).toEqual(['cold', 'cold', 'cold']);
  });

  it('are evicted for a whole prompt that was evicted, also when it goes on otherwise now', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    makeRoom(cache, 9);
    expect(['aaaabbbb', 'aaaacccc', 'aa'].map((text) => reasonFor(cache, text))).toEqual([
      'evicted',
      'evicted',
      'evicted',
    ]);
    expect(reasonFor(cache, 'bbbb')).toBe('cold');
  });

  it('are evicted for a tail that was trimmed, also when the prompt ends inside its page', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    makeRoom(cache, 8);
    expect(cache.stats().evictedPages).toBe(1);
    expect([reasonFor(cache, 'aaaabb'), reasonFor(cache, 'aaaabbbb!')]).toEqual(['evicted', 'evicted']);
    expect(reasonFor(cache, 'aaaacc')).toBe('cold');
  });

  it('are evicted for an evicted page beside one that matches in part', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aabb');
    serve(cache, 'aacc');
    makeRoom(cache, 8);
    // The first is kept, since rows of it were reused.
    expect(reasonFor(cache, 'aacc!')).toBe('evicted');
    // Whether the third token of this one was there once cannot be told from what is remembered.
    expect(reasonFor(cache, 'aad!')).toBe('cold');
  });

  it('are cold again once the page came back and was cleared', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    makeRoom(cache, 9);
    serve(cache, 'aaaabbbb');
    cache.clear();
    expect(reasonFor(cache, 'aaaabbbb')).toBe('cold');
  });

  it('are cold again for a page beside one that matches in part, once it came back and was cleared', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aabb');
    makeRoom(cache, 9);
    serve(cache, 'aabb');
    cache.clear();
    serve(cache, 'aacc');
    expect(reasonFor(cache, 'aabb!')).toBe('cold');
  });

  it('are cold when more pages were evicted since than are remembered', () => {
    const cache = cacheOf({ index, ghostEntries: 2 });
    for (const text of ['aaaa', 'bbbb', 'cccc']) serve(cache, text);
    makeRoom(cache, 9);
    expect(['aaaa', 'bbbb', 'cccc'].map((text) => reasonFor(cache, `${text}!`))).toEqual([
      'cold',
      'evicted',
      'evicted',
    ]);
  });

  it('are cold when nothing is remembered', () => {
    const cache = cacheOf({ index, ghostEntries: 0 });
    serve(cache, 'aaaa');
    makeRoom(cache, 9);
    expect(reasonFor(cache, 'aaaa!')).toBe('cold');
  });

  it('are counted, with the tokens that were asked for and found', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    serve(cache, 'aaaabbbb');
    serve(cache, 'aaaacccc');
    serve(cache, 'dddd', { mode: 'bypass' });
    const { misses, queriedTokens, hitTokens } = cache.stats();
    expect(misses).toEqual({ none: 1, cold: 2, evicted: 0, expired: 0, invalidated: 0, bypass: 1 });
    expect({ queriedTokens, hitTokens }).toEqual({ queriedTokens: 28, hitTokens: 11 });
  });

  it('are not counted for what was refused', () => {
    const cache = cacheOf({ index });
    publishAll(cache, 'aaaa');
    const before = cache.stats();
    expect(() => acquire(cache, 'b'.repeat(36))).toThrow('refused');
    expect(cache.stats()).toEqual(before);
  });
});
