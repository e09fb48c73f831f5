/** Files and disks that fail after the file was opened: prompts are computed, and the reason is told. */
import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkKv } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import { expectIdle, temporaryFolder } from '../engine.testing.ts';
import { FakeRunner, fakeCompletion } from '../fake-runner.ts';
import { openEngineWith } from '../open-engine.ts';
import { exportNow, importNow, openTestCache, type TestCache } from './cache-files.testing.ts';
import { type FilePort, nodeFiles } from './file-port.ts';

const folder = temporaryFolder();
let fileCount = 0;
const newPath = () => join(folder, `${fileCount++}.cache`);
const upTo = (count: number, first = 0) => Array.from({ length: count }, (_, i) => first + i);
const NONE = { damaged: 0, truncated: 0, unreadable: 0 };

/** A file of two prompts of four pages each, and a cache that has it open. */
function opened(files: FilePort = nodeFiles): { path: string; cache: TestCache } {
  const path = newPath();
  const before = openTestCache();
  before.serve(upTo(16));
  before.serve(upTo(16, 100));
  exportNow(before, path);
  const cache = openTestCache({ files });
  expect(importNow(cache, path)).toMatchObject({ pages: 8 });
  return { path, cache };
}

/** Reads fail with a code while `isFailing`. */
function failing(code: string): { files: FilePort; disk: { isFailing: boolean } } {
  const disk = { isFailing: false };
  const read: FilePort['read'] = (...given) => {
    if (disk.isFailing) throw Object.assign(new Error(`${code}: i/o error, read`), { code });
    return nodeFiles.read(...given);
  };
  return { files: { ...nodeFiles, read }, disk };
}

describe('a cache file that is open', () => {
  it('refuses the page that the disk cannot read, and serves the others', () => {
    const { files, disk } = failing('EIO');
    const { cache } = opened(files);
    disk.isFailing = true;
    expect(cache.serve([...upTo(16), 1])).toBe(0);
    disk.isFailing = false;
    expect(cache.files.stats()).toMatchObject({
      refusedPages: 1,
      refusals: { ...NONE, unreadable: 1 },
      loadedPages: 0,
    });
    expect(cache.serve([...upTo(16, 100), 1])).toBe(16);
    expect(checkKv(cache.kv)).toEqual([]);
    cache.stop();
  });

  it('that became shorter gives what is left of it, and computes the rest', () => {
    const { path, cache } = opened();
    // In the midst of the third page.
    truncateSync(path, 64 + 2 * 1536 + 100);
    expect(cache.serve([...upTo(16), 1])).toBe(8);
    expect(cache.serve([...upTo(16, 100), 1])).toBe(0);
    expect(cache.files.stats()).toMatchObject({ refusedPages: 2, refusals: { ...NONE, truncated: 2 }, loadedPages: 2 });
    expect(checkKv(cache.kv)).toEqual([]);
    // And what is left can be written again.
    const again = newPath();
    expect(exportNow(cache, again).pages).toBeGreaterThan(8);
    cache.stop();
  });

  it('that is written over gives no row of what is there now', () => {
    const { path, cache } = opened();
    writeFileSync(path, Buffer.alloc(readFileSync(path).length, 7));
    expect(cache.serve([...upTo(16), 1])).toBe(0);
    expect(cache.files.stats()).toMatchObject({ refusals: { ...NONE, damaged: 1 } });
    expect(checkKv(cache.kv)).toEqual([]);
    cache.stop();
  });

  it('goes on with what was opened when another file takes its name, or nothing does', () => {
    const { path, cache } = opened();
    const other = newPath();
    writeFileSync(other, 'something else');
    renameSync(other, path);
    expect(cache.serve([...upTo(16), 1])).toBe(16);
    rmSync(path);
    expect(cache.serve([...upTo(16, 100), 1])).toBe(16);
    expect(cache.files.stats()).toMatchObject({ refusals: NONE, loadedPages: 8 });
    cache.stop();
  });

  it.each(['EIO', 'EACCES', 'EISDIR'])('is refused with the reason when %s comes while it is opened', (code) => {
    const { files, disk } = failing(code);
    const { path } = opened();
    const cache = openTestCache({ files });
    disk.isFailing = true;
    const found = importNow(cache, path);
    expect(found).toMatchObject({ pages: 0, bytes: 0, refusal: { reason: 'unreadable' } });
    expect(found.refusal?.message).toBe(`The file cannot be read (${code}): nothing is taken from it.`);
    expect(cache.serve([...upTo(16), 1])).toBe(0);
    expect(checkKv(cache.kv)).toEqual([]);
  });

  it('refuses pins whose pages the disk cannot read, with numbers, and takes nothing from the budget for them', () => {
    const { files, disk } = failing('EIO');
    const path = newPath();
    const before = openTestCache();
    before.serve(upTo(8));
    before.kv.pin({ tokens: Uint32Array.from(upTo(8)), tokenCount: 8, salt: '' });
    exportNow(before, path);
    const cache = openTestCache({ files });
    const { pins } = cache.files.import(path);
    disk.isFailing = true;
    while (pins && !pins.advance());
    expect(pins?.results).toEqual([
      { outcome: 'refused', reason: 'not-cached', neededPages: 2, availablePages: cache.kv.pinBudgetPages },
    ]);
    expect(cache.kv.stats()).toMatchObject({ pinnedPages: 0, publishedPages: 0 });
    expect(checkKv(cache.kv)).toEqual([]);
  });
});

describe('an engine whose cache file goes away', () => {
  it('answers as without it, tells why, and has lost nothing', async () => {
    const prompts = [5, 9].map((n) => Array.from({ length: 40 }, (_, i) => (n * i) % 61));
    const open = () => openEngineWith({ runner: new FakeRunner() }, { pages: 100, pageSize: 4 });
    const path = newPath();
    const first = await open();
    await first.warm(prompts);
    await first.cache.export(path);
    await first.close();
    const engine = await open();
    await engine.cache.import(path);
    truncateSync(path, 100);
    for (const ids of prompts) {
      const { ids: answered, usage } = await engine.generate({ ids, maxTokens: 4 }).result();
      expect(answered).toEqual(fakeCompletion(ids, 4));
      expect(usage.cachedFrom.file).toBe(0);
    }
    expect((await engine.stats()).cacheFile.refusals).toEqual({ ...NONE, truncated: 2 });
    expect(await engine.audit()).toEqual([]);
    await expectIdle(engine);
    await engine.close();
  });
});
