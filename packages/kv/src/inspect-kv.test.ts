import { describe, expect, it } from 'vitest';
import { acquire, cacheOf, INDEXES, serve, tokensOf } from './cache.testing.ts';
import { inspectKv } from './inspect-kv.ts';
import type { KvCache } from './kv-cache.ts';

describe.each(INDEXES)('inspectKv, %s index', (index) => {
  it('shows every page, every tree, and what is evicted first', () => {
    const cache = cacheOf({ pages: 6, index });
    serve(cache, 'aaaabb', { salt: 'x' });
    serve(cache, 'cccc', { salt: 'y' });
    acquire(cache, 'd', { salt: 'y' });
    const { pages, trees, evictionOrder } = inspectKv(cache);
    expect(pages.map(({ page, state, references }) => `${page} ${state} ${references}`)).toEqual([
      '1 published 0',
      '2 published 0',
      '3 published 0',
      '4 private 1',
      '5 free 0',
    ]);
    const tail = { pages: [2], tokens: [[...tokensOf('bb')]], lockCount: 0, children: [] };
    const head = { pages: [1], tokens: [[...tokensOf('aaaa')]], lockCount: 0, children: [tail] };
    const other = { pages: [3], tokens: [[...tokensOf('cccc')]], lockCount: 0, children: [] };
    expect(trees).toEqual([
      { salt: 'x', root: { pages: [], tokens: [], lockCount: 0, children: [head] } },
      { salt: 'y', root: { pages: [], tokens: [], lockCount: 1, children: [other] } },
    ]);
    expect(evictionOrder).toEqual([2, 1, 3]);
  });

  it('refuses a cache that is not of this package', () => {
    const foreign = { ...cacheOf({ index }) } as KvCache;
    expect(() => inspectKv(foreign)).toThrow(expect.objectContaining({ code: 'FOREIGN_CACHE' }));
  });
});
