/** An export that takes a while, and what happens meanwhile. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { checkKv } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import { pageBytesOf } from '../storage/page-bytes.ts';
import { dyingAt } from './cache-file.testing.ts';
import { exportNow, importNow, openTestCache, type TestCache } from './cache-files.testing.ts';
import { readCacheFile } from './cache-tree.ts';
import { nodeFiles } from './file-port.ts';

const folder = temporaryFolder();
let fileCount = 0;
const newPath = () => join(folder, `${fileCount++}.cache`);
const upTo = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + i);
const ONE_PAGE = { sliceBytes: 1 };

/** Exports, and does `meanwhile` after so many slices. */
function exportAround(cache: TestCache, slices: number, meanwhile: () => void): string {
  const path = newPath();
  const task = cache.files.export(path);
  for (let slice = 0; ; slice += 1) {
    if (slice === slices) meanwhile();
    if (task.advance()) break;
  }
  cache.files.ended(task);
  return path;
}

function reopened(path: string): TestCache {
  const fresh = openTestCache();
  expect(importNow(fresh, path)).not.toHaveProperty('refusal');
  return fresh;
}

describe('an export', () => {
  it('leaves out pages that made room for others before it came to them, and never writes the rows of another', () => {
    const cache = openTestCache({ pages: 17, ...ONE_PAGE });
    cache.serve([...upTo(8), 50, 51, 52, 53]);
    cache.serve([...upTo(8), 60, 61, 62, 63]);
    // All other pages of the pool, and some of the first ones.
    const path = exportAround(cache, 1, () => cache.serve(upTo(60, 1000)));
    const fresh = reopened(path);
    // Rows that are found are proved.
    const found = [50, 60].map((first) => fresh.serve([...upTo(8), ...upTo(4, first), 1]));
    expect(found.every((tokens) => tokens <= 12)).toBe(true);
    expect(Math.min(...found)).toBeLessThan(12);
    // What came meanwhile may be there as well.
    fresh.serve(upTo(60, 1000));
  });

  it('has what was split and continued meanwhile', () => {
    for (let slices = 0; slices < 5; slices += 1) {
      const cache = openTestCache(ONE_PAGE);
      cache.serve(upTo(16));
      const path = exportAround(cache, slices, () => {
        cache.serve([...upTo(8), 60, 61, 62, 63]);
        cache.serve(upTo(24));
      });
      expect(reopened(path).serve([...upTo(16), 1])).toBe(16);
    }
  });

  it('has nothing of what was invalidated meanwhile, written or not: no tokens, no rows, no name', () => {
    // Four pages, and the end.
    for (let slices = 0; slices < 5; slices += 1) {
      const cache = openTestCache(ONE_PAGE);
      cache.serve([...upTo(8), 50, 51], { tags: ['secret:tag'] });
      cache.serve([...upTo(8), 60, 61], { tags: ['product:b'] });
      const rows = cache.store.readKeys(0, 3 * 4);
      const row = Buffer.from(Float32Array.of(rows[0] as number).buffer);
      expect(readFileSync(exportAround(cache, 99, () => {})).includes(row)).toBe(true);
      const path = exportAround(cache, slices, () => {
        cache.files.end({ tag: 'secret:tag' });
        cache.kv.invalidate({ tag: 'secret:tag' });
      });
      const fresh = reopened(path);
      expect(fresh.serve([...upTo(8), 50, 51, 1])).toBe(8);
      expect(fresh.serve([...upTo(8), 60, 61, 1])).toBe(10);
      const bytes = readFileSync(path);
      expect(bytes.includes('secret')).toBe(false);
      expect(bytes.includes(row)).toBe(false);
      const view = readCacheFile(path);
      if (!view.ok) throw new Error(view.refusal.message);
      expect(view.entries.every(({ ids }) => ids.length > 0)).toBe(true);
    }
  });

  it('has nothing of what a new version or another context ended meanwhile', () => {
    const cache = openTestCache(ONE_PAGE);
    cache.serve(upTo(8), { tags: ['file:a@1'] });
    cache.serve(upTo(8, 100), { session: 'dev', context: ['repo:a'] });
    const path = exportAround(cache, 3, () => {
      cache.serve(upTo(4, 900), { tags: ['file:a@2'] });
      cache.serve(upTo(4, 950), { session: 'dev', context: ['repo:b'] });
    });
    const fresh = reopened(path);
    expect(fresh.serve([...upTo(8), 1])).toBe(0);
    expect(fresh.serve([...upTo(8, 100), 1])).toBe(0);
  });

  it('counts times to live while it is written', () => {
    const cache = openTestCache(ONE_PAGE);
    cache.serve(upTo(8), { ttlMs: 1000 });
    cache.serve(upTo(8, 100), { ttlMs: 3000 });
    const path = exportAround(cache, 2, () => {
      cache.time.now += 2000;
      cache.time.wall += 2000;
    });
    const fresh = openTestCache();
    fresh.time.wall += 2500;
    importNow(fresh, path);
    expect(fresh.serve([...upTo(8), 1])).toBe(0);
    expect(fresh.serve([...upTo(8, 100), 1], { ttlMs: 1 })).toBe(8);
    fresh.time.now += 501;
    expect(fresh.kv.match(Uint32Array.from([...upTo(8, 100), 1]), 9, '').matchedTokens).toBe(0);
  });

  it('takes pages of the open file along, and leaves out those that are damaged with what continues them', () => {
    const cache = openTestCache(ONE_PAGE);
    cache.serve(upTo(16));
    cache.serve(upTo(8, 100));
    const path = newPath();
    exportNow(cache, path);
    const bytes = readFileSync(path);
    const fresh = openTestCache(ONE_PAGE);
    fresh.files.import(path);
    // The second page of the file, while it is open.
    const file = nodeFiles.openWrite(path);
    const at = 64 + pageBytesOf(cache.store.layout) + 5;
    bytes[at] = (bytes[at] as number) ^ 1;
    nodeFiles.write(file, bytes, 0);
    nodeFiles.close(file);
    const again = newPath();
    exportNow(fresh, again);
    const last = reopened(again);
    expect(last.serve([...upTo(16), 1])).toBe(4);
    expect(last.serve([...upTo(8, 100), 1])).toBe(8);
  });

  it('leaves the old file or the new one at whatever operation it is killed, whole, and what was in the cache is still there', () => {
    const path = newPath();
    const sizes = new Set<number>();
    let operation = 0;
    for (let isDone = false; !isDone; operation += 1) {
      const old = openTestCache();
      old.serve(upTo(8));
      exportNow(old, path);
      const cache = openTestCache({ files: dyingAt(operation), ...ONE_PAGE });
      cache.serve(upTo(8));
      cache.serve(upTo(16, 100));
      try {
        exportNow(cache, path);
        isDone = true;
      } catch (error) {
        expect((error as Error).message).toBe('killed');
      }
      sizes.add(statSync(path).size);
      const fresh = reopened(path);
      expect(fresh.serve([...upTo(8), 1])).toBe(8);
      expect([0, 16]).toContain(fresh.serve([...upTo(16, 100), 1]));
      expect(fresh.files.stats().refusedPages).toBe(0);
      // The cache itself is as it was, and its pages may be written again.
      expect(cache.store.isAsWatched(1)).toBe(false);
      expect(cache.kv.match(Uint32Array.from([...upTo(8), 1]), 9, '').matchedTokens).toBe(8);
      expect(checkKv(cache.kv)).toEqual([]);
      fresh.stop();
    }
    // open, 6 pages, 4 pieces of the index, header, truncate, sync, close and rename.
    expect(operation).toBe(17);
    expect(sizes.size).toBe(2);
  });

  it('leaves nothing behind when it is given up', () => {
    const cache = openTestCache(ONE_PAGE);
    cache.serve(upTo(8));
    const before = readdirSync(folder).length;
    const task = cache.files.export(newPath());
    task.advance();
    cache.stop();
    expect(readdirSync(folder).length).toBe(before);
    expect(() => task.advance()).toThrow('it was given up');
  });
});
