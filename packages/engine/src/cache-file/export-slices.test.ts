/** How much an export does between two steps, and what comes of it when the cache changes after each slice. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CacheWalk, KvCache } from '@octavo/kv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import { SLICE_LOOKS } from './cache-export.ts';
import { exportNow, importNow, openTestCache, type TestCache } from './cache-files.testing.ts';
import { readCacheFile } from './cache-tree.ts';
import { LOOKS_PER_PAGE } from './exported-memory.ts';
import { type FilePort, nodeFiles } from './file-port.ts';

const folder = temporaryFolder();
let fileCount = 0;
const newPath = () => join(folder, `${fileCount++}.cache`);
const PAGE_BYTES = 1536;

/** What was done since the last look. */
interface Work {
  claims: number;
  pages: number;
  bytes: number;
  /** Pages that were written. */
  written: number;
}

function counted(work: Work): { files: FilePort; watch: (kv: KvCache) => void } {
  const files: FilePort = {
    ...nodeFiles,
    write: (file, bytes, position) => {
      work.bytes += bytes.length;
      if (bytes.length === PAGE_BYTES) work.written += 1;
      nodeFiles.write(file, bytes, position);
    },
  };
  const watch = (kv: KvCache) => {
    const walkOf = kv.walk.bind(kv);
    kv.walk = (): CacheWalk => {
      const walk = walkOf();
      const [next, tokensOf] = [walk.next.bind(walk), walk.tokensOf.bind(walk)];
      return Object.assign(walk, {
        next: (most: number) => {
          work.claims += 1;
          return next(most);
        },
        tokensOf: (page: number) => {
          work.pages += 1;
          return tokensOf(page);
        },
      });
    };
  };
  return { files, watch };
}

/** The most that was done in one slice, and how many there were. */
function slicesOf(prompts: number, options: { sliceBytes?: number; source?: string } = {}): Work & { slices: number } {
  const work: Work = { claims: 0, pages: 0, bytes: 0, written: 0 };
  const { files, watch } = counted(work);
  const { source, ...rest } = options;
  const cache = openTestCache({ files, pages: 3 * prompts + 8, ...rest });
  watch(cache.kv);
  if (source !== undefined) importNow(cache, source);
  else for (let n = 0; n < prompts; n += 1) serveQuietly(cache, [n, 1, 2, 3, 4, 5, 6, 7, n], { session: `s${n}` });
  const most = { claims: 0, pages: 0, bytes: 0, written: 0, slices: 0 };
  const task = cache.files.export(newPath());
  for (let written = false; !written; most.slices += 1) {
    Object.assign(work, { claims: 0, pages: 0, bytes: 0, written: 0 });
    written = task.advance() !== undefined;
    for (const what of ['claims', 'pages', 'bytes', 'written'] as const) most[what] = Math.max(most[what], work[what]);
  }
  cache.files.ended(task);
  cache.stop();
  return most;
}

/** As `serve`, without a proof of everything after each. */
function serveQuietly({ kv, store }: TestCache, given: readonly number[], claim: { session: string }): void {
  const tokens = Uint32Array.from(given);
  const tokenCount = tokens.length;
  const acquired = kv.acquire({
    tokens,
    tokenCount,
    salt: '',
    mode: 'share',
    roomTokens: tokenCount,
    keepPages: 0,
    claim,
  });
  if (!acquired.ok) throw new Error('no room');
  const { lease } = acquired;
  lease.transferred();
  for (const page of lease.pageTable.subarray(0, lease.pageCount)) store.wrote(page);
  lease.seal(tokens, tokenCount);
  lease.release();
}

describe('a slice of an export', () => {
  it('looks at so many claims and pages and no more, however many there are', () => {
    const [small, large] = [slicesOf(300), slicesOf(1200)];
    for (const { claims, pages, bytes } of [small, large]) {
      expect(pages).toBeLessThanOrEqual(SLICE_LOOKS / LOOKS_PER_PAGE);
      expect(claims).toBeLessThanOrEqual(SLICE_LOOKS);
      // The pieces of an index are smaller than 128 kB.
      expect(bytes).toBeLessThanOrEqual(2 ** 20 + 2 ** 17);
    }
    expect(small.pages).toBe(large.pages);
    expect(small.slices).toBeGreaterThan(900 / (SLICE_LOOKS / LOOKS_PER_PAGE));
    expect(large.slices / small.slices).toBeGreaterThan(3);
  });

  it('writes so many bytes and no more', () => {
    const { bytes, pages, slices } = slicesOf(100, { sliceBytes: 4 * PAGE_BYTES });
    expect(pages).toBe(4);
    expect(bytes).toBeLessThanOrEqual(4 * PAGE_BYTES + 2 ** 15);
    expect(slices).toBeGreaterThan(300 / 4);
  });

  it('takes as few pages at a time out of the open file', () => {
    const path = newPath();
    const cache = openTestCache({ pages: 3008 });
    for (let n = 0; n < 1000; n += 1) serveQuietly(cache, [n, 1, 2, 3, 4, 5, 6, 7, n], { session: `s${n}` });
    exportNow(cache, path);
    const { written, slices } = slicesOf(1000, { source: path });
    expect(written).toBeLessThanOrEqual(SLICE_LOOKS / LOOKS_PER_PAGE);
    expect(written).toBeGreaterThan(SLICE_LOOKS / LOOKS_PER_PAGE / 2);
    expect(slices).toBeGreaterThan(3000 / (SLICE_LOOKS / LOOKS_PER_PAGE));
  });
});

describe('an export of a cache that changes after each slice', () => {
  const token = fc.nat({ max: 2 });
  const prompt = fc.array(token, { minLength: 3, maxLength: 14 });
  const change = fc.oneof(
    fc.record({ kind: fc.constant('serve' as const), tokens: prompt }),
    fc.record({ kind: fc.constant('invalidate' as const), nth: fc.nat({ max: 9 }) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat({ max: 60 }) }),
    fc.constant({ kind: 'clear' as const }),
  );
  const before = fc.array(fc.record({ tokens: prompt, ttlMs: fc.option(fc.integer({ min: 1, max: 100 })) }), {
    minLength: 1,
    maxLength: 8,
  });
  const runs = Math.ceil(Number(process.env.OCTAVO_PROPERTY_RUNS ?? 1_000) / 10);

  /** Serves the prompts, half of them by way of a file that is open; changes the cache after each slice; returns what the file is. */
  function exported(given: {
    stored: readonly Stored[];
    changes: readonly Change[];
    pages: number;
    fromFile: boolean;
  }) {
    const time = (cache: TestCache, ms: number) => {
      cache.time.now += ms;
      cache.time.wall += ms;
    };
    const first = openTestCache({ pages: 100 });
    const cache = openTestCache({ pages: given.pages, pinBudgetPages: 0, sliceBytes: 1 });
    const serve = (to: TestCache, { tokens, ttlMs }: Stored, tag: string) =>
      to.serve(tokens, { tags: [tag], ...(ttlMs === null ? {} : { ttlMs }) });
    const half = given.fromFile ? Math.ceil(given.stored.length / 2) : 0;
    for (const [n, each] of given.stored.slice(0, half).entries()) serve(first, each, `old:${n}:`);
    const source = newPath();
    if (half > 0) {
      exportNow(first, source);
      importNow(cache, source);
    }
    for (const [n, each] of given.stored.slice(half).entries()) serve(cache, each, `old:${half + n}:`);
    const path = newPath();
    const task = cache.files.export(path);
    const left = [...given.changes];
    const ended = new Set<string>();
    let elapsedMs = 0;
    let isCleared = false;
    while (!task.advance()) {
      const next = left.shift();
      if (next?.kind === 'serve') cache.serve(next.tokens, { tags: ['new:'] });
      else if (next?.kind === 'wait') {
        time(cache, next.ms);
        elapsedMs += next.ms;
        cache.kv.expire();
      } else if (next?.kind === 'invalidate') {
        const target = { tag: `old:${next.nth}:` };
        cache.files.end(target);
        cache.kv.invalidate(target);
        ended.add(target.tag);
      } else if (next?.kind === 'clear') {
        cache.files.end({ salt: '' });
        cache.kv.invalidate({ salt: '' });
        isCleared = true;
      }
    }
    cache.files.ended(task);
    cache.stop();
    first.stop();
    const fresh = openTestCache({ pages: 200 });
    fresh.time.wall = cache.time.wall;
    expect(importNow(fresh, path)).not.toHaveProperty('refusal');
    return { path, fresh, ended, elapsedMs, isCleared, cache };
  }
  type Stored = { readonly tokens: readonly number[]; readonly ttlMs: number | null };
  type Change = typeof change extends fc.Arbitrary<infer Value> ? Value : never;

  it('is whole: every page with the rows of its tokens, and nothing of what was ended', () => {
    fc.assert(
      fc.property(before, fc.array(change, { maxLength: 40 }), fc.boolean(), (stored, changes, fromFile) => {
        // Hardly room for what comes: pages are evicted and written again.
        const { path, fresh, ended } = exported({ stored, changes, fromFile, pages: 8 });
        const served = [...stored, ...changes.flatMap((each) => (each.kind === 'serve' ? [each] : []))];
        // Each proves the rows that it finds.
        for (const { tokens } of served) fresh.serve(tokens);
        expect(fresh.files.stats().refusedPages).toBe(0);
        const bytes = readFileSync(path);
        for (const tag of ended) expect(bytes.includes(tag)).toBe(false);
        const view = readCacheFile(path);
        if (!view.ok) throw new Error(view.refusal.message);
        for (const { claims } of view.entries) {
          for (const { ttlMs = 1 } of claims) expect(ttlMs).toBeGreaterThan(0);
        }
        fresh.stop();
      }),
      { numRuns: runs },
    );
  });

  it('has all that was there when it began and that nothing ended, where nothing has to make room', () => {
    fc.assert(
      fc.property(before, fc.array(change, { maxLength: 40 }), fc.boolean(), (stored, changes, fromFile) => {
        const { fresh, ended, elapsedMs, isCleared } = exported({ stored, changes, fromFile, pages: 120 });
        const kept = stored.filter(
          ({ ttlMs }, n) => !isCleared && !ended.has(`old:${n}:`) && (ttlMs === null || ttlMs > elapsedMs),
        );
        // The last token of a page that another one begins like is not worth reading it.
        for (const { tokens } of kept) expect(fresh.serve([...tokens, 9])).toBeGreaterThanOrEqual(tokens.length - 1);
        fresh.stop();
      }),
      { numRuns: runs },
    );
  });
});
