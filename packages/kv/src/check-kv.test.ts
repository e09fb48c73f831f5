import { describe, expect, it } from 'vitest';
import { cacheOf, INDEXES, pagesOf, publishAll, serve } from './cache.testing.ts';
import { checkKv } from './check-kv.ts';
import { INTERNALS } from './internals.ts';
import type { KvCache } from './kv-cache.ts';
import { specimen } from './kv-specimen.testing.ts';
import { partsOf } from './paged-kv-cache.ts';

describe('the specimen', () => {
  it('is as it is drawn', () => {
    const { cache, writer, bypassing, parts } = specimen();
    const labels = parts.index.view().nodes.map(({ pages }) => pages.join(' '));
    expect(labels.sort()).toEqual(['', '', '1', '2', '3', '5', '7 8']);
    expect([...writer.table.array.subarray(0, writer.table.pageCount)]).toEqual([1, 2, 4]);
    expect(bypassing.table.array[0]).toBe(6);
    expect(cache.stats()).toMatchObject({ freePages: 11, privatePages: 2, publishedPages: 6, evictablePages: 4 });
  });
});

describe.each(INDEXES)('checkKv over the %s index', (index) => {
  it('changes nothing', () => {
    const cache = cacheOf({ index });
    const lease = publishAll(cache, 'aaaabbbbcc');
    serve(cache, 'dddd');
    const before = [cache.stats(), pagesOf(lease)];
    expect(checkKv(cache)).toEqual([]);
    expect([cache.stats(), pagesOf(lease)]).toEqual(before);
  });

  it('finds a wrong reference count and a wrong table', () => {
    const cache = cacheOf({ index });
    const lease = publishAll(cache, 'aaaabbbbcc');
    serve(cache, 'dddd');
    partsOf(cache).pool[INTERNALS]().references[4] = 1;
    lease.pageTable[0] = 4;
    const faults = checkKv(cache);
    expect(faults).toContain('law 3: page 1 has reference count 1, but 0 page tables hold it and 0 transfers read it');
    expect(faults).toContainEqual(expect.stringMatching(/^law 4: page 0 of lease 0 \(salt ""\) is 4/));
  });

  it('refuses a cache that is not of this package', () => {
    const foreign = { ...cacheOf({ index }) } as KvCache;
    expect(() => checkKv(foreign)).toThrow(expect.objectContaining({ code: 'FOREIGN_CACHE' }));
  });
});
