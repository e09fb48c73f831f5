/** Claims of a file that nobody could have made, in files whose checksums are right. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkKv } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import { encodeHeader, encodeIndex } from './cache-file.testing.ts';
import { exportNow, importNow, openTestCache, type TestCache } from './cache-files.testing.ts';
import { nodeFiles } from './file-port.ts';
import { openCacheFile } from './read-cache-file.ts';
import type { StoredClaim, StoredIndex } from './stored-index.ts';

const folder = temporaryFolder();
let fileCount = 0;
const newPath = () => join(folder, `${fileCount++}.cache`);
const upTo = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + i);

/** A file of two prompts whose index was changed afterwards, with all checksums as they should be. */
function forged(change: (index: StoredIndex) => unknown): string {
  const path = newPath();
  const cache = openTestCache();
  cache.serve(upTo(8), { session: 's', tags: ['product:a'], ttlMs: 5000 });
  cache.serve(upTo(8, 100), {}, 'tenant');
  exportNow(cache, path);
  const opened = openCacheFile(nodeFiles, path);
  if (!opened.ok) throw new Error(opened.refusal.message);
  const { index, pageBytes, close } = opened.value;
  close();
  const pageCount = index.pages.length;
  const bytes = encodeIndex(change(index) as StoredIndex);
  const pages = readFileSync(path).subarray(64, 64 + pageCount * pageBytes);
  const header = encodeHeader({ pageBytes, pageCount, indexBytes: bytes.length }, bytes);
  writeFileSync(path, Buffer.concat([header, pages, bytes]));
  return path;
}

/** The first claim says something else. */
const saying = (fields: object) => (index: StoredIndex) => ({
  ...index,
  claims: index.claims.map((claim, at) => (at === 0 ? { ...claim, ...fields } : claim)),
});

/** Another file is open, and what is in memory is in use. */
function busyCache(): TestCache {
  const before = openTestCache();
  before.serve(upTo(8, 500));
  const path = newPath();
  exportNow(before, path);
  const cache = openTestCache();
  importNow(cache, path);
  cache.serve(upTo(8, 700));
  return cache;
}

describe('a claim of a cache file that nobody could have made', () => {
  it.each([
    ['an end in three hundred years', { ttlMs: 1e13 }],
    ['an end that is no number of milliseconds', { ttlMs: 1e300 }],
    ['an end in the past', { ttlMs: -1 }],
    ['no time at all', { ttlMs: 0 }],
    ['half a millisecond', { slidingTtlMs: 0.5 }],
    ['an end that is a text', { ttlMs: '5000' }],
    ['an end that never comes', { slidingTtlMs: Number.MAX_VALUE }],
    ['a priority above all', { priority: 'eternal' }],
    ['a promise that is no yes or no', { isPinned: 'yes' }],
    ['a kind that is unknown', { kind: 'eternal' }],
    ['a tag without letters', { tags: [''] }],
    ['two versions of a tag at once', { tags: ['file:a@1', 'file:a@2'] }],
    ['tags that are numbers', { tags: [1, 2] }],
    ['a context without its session', { session: undefined, context: ['repo:a'] }],
    ['a session that is a list', { session: ['s'] }],
    ['the salt of another tenant', { salt: 'tenant' }],
    ['a salt that nobody has', { salt: 'nobody' }],
  ])('such as %s, makes the file damaged, with the reason; what was open and in memory stays', (_, fields) => {
    const cache = busyCache();
    const found = importNow(cache, forged(saying(fields)));
    expect(found).toMatchObject({ pages: 0, bytes: 0, refusal: { reason: 'damaged' } });
    expect(found.refusal?.message).toMatch(/^[A-Z][^\n]+: its pages are not used\.$/);
    expect(found).not.toHaveProperty('pins');
    expect(cache.serve([...upTo(8, 500), 1])).toBe(8);
    expect(cache.serve([...upTo(8, 700), 1])).toBe(8);
    expect(cache.serve([...upTo(8), 1])).toBe(0);
    expect(checkKv(cache.kv)).toEqual([]);
  });

  it('lets nothing live longer than it says, whenever the file says that it was written', () => {
    const fresh = openTestCache();
    expect(
      importNow(
        fresh,
        forged((index) => ({ ...index, writtenMs: 0 })),
      ),
    ).not.toHaveProperty('refusal');
    expect(fresh.serve([...upTo(8), 1])).toBe(0);
    // A clock that was ahead: the time that is left counts from the opening.
    const later = openTestCache();
    importNow(
      later,
      forged((index) => ({ ...index, writtenMs: Number.MAX_SAFE_INTEGER })),
    );
    expect(later.serve([...upTo(8), 1], { ttlMs: 1 })).toBe(8);
    later.time.now += 5000;
    expect(later.kv.match(Uint32Array.from([...upTo(8), 1]), 9, '').matchedTokens).toBe(0);
    expect(checkKv(later.kv)).toEqual([]);
  });

  it('come back 64 at a time at most, however many of them there are at a page', () => {
    const most = 20_000;
    const path = forged((index) => {
      const [first] = index.claims as [StoredClaim];
      const named = Array.from({ length: most }, (_, n) => ({ ...first, session: `s${n}`, tags: [`t:${n}`] }));
      const all = Array.from({ length: most }, (_, n) => index.claims.length + n);
      const pages = index.pages.map((page, at) => (at === 1 ? { ...page, claims: [...page.claims, ...all] } : page));
      return { ...index, claims: [...index.claims, ...named], pages };
    });
    const fresh = openTestCache();
    expect(importNow(fresh, path)).not.toHaveProperty('refusal');
    expect(fresh.serve([...upTo(8), 1])).toBe(8);
    expect(fresh.kv.stats().claims).toBeLessThanOrEqual(65);
    expect(checkKv(fresh.kv)).toEqual([]);
  });

  it('pins no more than the budget, whatever the file promises', () => {
    const path = forged((index) => {
      const [first] = index.claims as [StoredClaim];
      const pins = Array.from({ length: 300 }, (_, n) => ({ ...first, session: `s${n}`, isPinned: true }));
      const at = index.claims.length;
      const pages = index.pages.map((page) =>
        page.salt === '' ? { ...page, claims: pins.map((_, n) => at + n) } : page,
      );
      return { ...index, claims: [...index.claims, ...pins], pages };
    });
    const fresh = openTestCache({ pinBudgetPages: 1 });
    const { pins = [] } = importNow(fresh, path);
    expect(pins).toHaveLength(600);
    expect(pins.filter(({ outcome }) => outcome === 'granted')).toHaveLength(300);
    expect(pins.filter(({ outcome }) => outcome === 'clipped')).toHaveLength(300);
    expect(fresh.kv.stats()).toMatchObject({ pinnedPages: 1, publishedPages: 1 });
    expect(checkKv(fresh.kv)).toEqual([]);
  });
});
