/** Promises that outlive a restart. */
import { join } from 'node:path';
import { checkKv } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import { exportNow, importNow, openTestCache, type TestCache } from './cache-files.testing.ts';

const folder = temporaryFolder();
let fileCount = 0;
const upTo = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + i);
const promptOf = (ids: readonly number[]) => ({ tokens: Uint32Array.from(ids), tokenCount: ids.length, salt: '' });

/** A file with the pins of these prompts; some tokens of another prompt are not pinned. */
function fileWithPins(...prompts: readonly (readonly number[])[]): { path: string; cache: TestCache } {
  const path = join(folder, `${fileCount++}.cache`);
  const cache = openTestCache({ pinBudgetPages: 60 });
  for (const ids of prompts) {
    cache.serve(ids, { tags: ['product:a'] });
    expect(cache.kv.pin({ ...promptOf(ids), claim: { tags: ['product:a'] } }).outcome).toBe('granted');
  }
  cache.serve(upTo(8, 500));
  exportNow(cache, path);
  return { path, cache };
}

describe('pins of a cache file', () => {
  it('hold from the opening on: their pages are there before anybody asks, and nothing evicts them', () => {
    const { path } = fileWithPins(upTo(8));
    const fresh = openTestCache({ pages: 12, pinBudgetPages: 4 });
    expect(importNow(fresh, path)).toMatchObject({ pins: [{ outcome: 'granted', tokens: 8, newPages: 2 }] });
    expect(fresh.kv.stats()).toMatchObject({ pinnedPages: 2, publishedPages: 2, pins: 1 });
    // More prompts than there are pages: all others make room.
    for (let n = 1; n < 12; n += 1) fresh.serve(upTo(20, 1000 * n));
    expect(fresh.kv.stats().evictedPages).toBeGreaterThan(20);
    expect(fresh.serve([...upTo(8), 77])).toBe(8);
    expect(checkKv(fresh.kv)).toEqual([]);
  });

  it('take no more than the budget: what does not fit is cut from its tail or refused, and reported', () => {
    const { path } = fileWithPins(upTo(12), upTo(12, 100), upTo(8, 200));
    const fresh = openTestCache({ pinBudgetPages: 5 });
    const { pins } = importNow(fresh, path);
    expect(pins).toMatchObject([
      { outcome: 'granted', tokens: 12, newPages: 3 },
      { outcome: 'clipped', reason: 'budget', tokens: 8, newPages: 2, wantedTokens: 12, missingPages: 1 },
      { outcome: 'refused', reason: 'budget', neededPages: 2, availablePages: 0 },
    ]);
    // What is not promised is not read either.
    expect(fresh.kv.stats()).toMatchObject({ pinnedPages: 5, publishedPages: 5 });
    expect(fresh.serve([...upTo(8, 200), 1])).toBe(8);
    expect(fresh.kv.stats().pinnedPages).toBe(5);
  });

  it('count pages that two of them share once', () => {
    const { path } = fileWithPins([...upTo(8), 50, 51, 52, 53], [...upTo(8), 60, 61, 62, 63]);
    const fresh = openTestCache({ pinBudgetPages: 4 });
    const outcomes = importNow(fresh, path).pins?.map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['granted', 'granted']);
    expect(fresh.kv.stats().pinnedPages).toBe(4);
  });

  it('are all refused without a budget, and go along into the next file all the same', () => {
    const { path } = fileWithPins(upTo(8));
    const without = openTestCache({ pinBudgetPages: 0 });
    expect(importNow(without, path).pins).toMatchObject([{ outcome: 'refused', reason: 'budget', neededPages: 2 }]);
    expect(without.kv.stats().publishedPages).toBe(0);
    // Also when somebody used them meanwhile.
    expect(without.serve([...upTo(8), 1])).toBe(8);
    exportNow(without, path);
    const withOne = openTestCache();
    expect(importNow(withOne, path).pins).toMatchObject([{ outcome: 'granted', tokens: 8 }]);
  });

  it('do not come back once they were ended, in the cache or in the next file', () => {
    const { path } = fileWithPins(upTo(8));
    const fresh = openTestCache();
    const [pin] = importNow(fresh, path).pins ?? [];
    if (pin?.outcome !== 'granted') throw new Error('not granted');
    expect(fresh.kv.unpin(pin.pin)).toBe(true);
    fresh.serve([...upTo(8), 1]);
    expect(fresh.kv.stats()).toMatchObject({ pinnedPages: 0, pins: 0 });
    exportNow(fresh, path);
    expect(importNow(openTestCache(), path)).not.toHaveProperty('pins');
  });

  it('end with their tag, as they would have without a restart', () => {
    const { path } = fileWithPins(upTo(8));
    const fresh = openTestCache();
    importNow(fresh, path);
    fresh.files.end({ tag: 'product:a' });
    expect(fresh.kv.invalidate({ tag: 'product:a' })).toMatchObject({ endedPins: 1, pages: 2 });
    expect(fresh.serve([...upTo(8), 1])).toBe(0);
  });

  it('have the time that is left to them, on a clock that is no whole number of milliseconds', () => {
    const { path, cache } = fileWithPins();
    cache.serve(upTo(8), { ttlMs: 1000 });
    cache.kv.pin({ ...promptOf(upTo(8)), claim: { ttlMs: 1000 } });
    exportNow(cache, path);
    const fresh = openTestCache();
    fresh.time.now += 0.25;
    expect(importNow(fresh, path).pins).toMatchObject([{ outcome: 'granted' }]);
    fresh.time.now += 998.5;
    // Of the other entry, which is read now.
    expect(fresh.serve([...upTo(8, 500), 1])).toBe(8);
    expect(fresh.kv.stats().pins).toBe(1);
    fresh.time.now += 3;
    fresh.kv.expire();
    expect(fresh.kv.stats().pins).toBe(0);
  });
});
