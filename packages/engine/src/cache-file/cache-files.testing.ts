/** A cache without a model, whose rows can be foretold from the tokens before them: what comes out of a file must be them. */
import { type ClaimOptions, checkKv, createKvCache, type KvCache } from '@octavo/kv';
import { expect } from 'vitest';
import type { CacheExport, CacheImport } from '../cache-file-api.ts';
import { fakeShape } from '../fake-runner.ts';
import { PageLayout } from '../storage/page-layout.ts';
import { PageStore } from '../storage/page-store.ts';
import { Openings } from '../warm/openings.ts';
import { CacheFiles, type CacheFilesParts } from './cache-files.ts';
import { nodeFiles } from './file-port.ts';

export const PAGE_SIZE = 4;

export interface TestCache {
  readonly kv: KvCache;
  readonly store: PageStore;
  readonly files: CacheFiles;
  readonly time: { now: number; wall: number };
  /** Computes a prompt as an engine would, and leaves it in the cache. Returns the tokens that were found; all rows are proved. */
  readonly serve: (tokens: readonly number[], claim?: ClaimOptions, salt?: string) => number;
  readonly stop: () => void;
}

/** Runs a whole export at once, as an engine does between two steps. */
export function exportNow({ files }: TestCache, path: string): CacheExport {
  const task = files.export(path);
  try {
    for (;;) {
      const written = task.advance();
      if (written) return written;
    }
  } finally {
    files.ended(task);
  }
}

/** Opens a file, and reads the pages of its pins. */
export function importNow({ files }: TestCache, path: string): CacheImport {
  const { pins, ...opened } = files.import(path);
  while (pins && !pins.advance());
  return pins?.results.length ? { ...opened, pins: pins.results } : opened;
}

/** Row of a token: a digest of all tokens up to it. */
function rowOf(tokens: ArrayLike<number>, position: number): number {
  let digest = 7;
  for (let i = 0; i <= position; i += 1) digest = (Math.imul(digest, 31) + (tokens[i] as number) + 1) >>> 0;
  // Exact as a float32.
  return digest & 0xffffff;
}

export function openTestCache(
  parts: Partial<CacheFilesParts> & { readonly pages?: number; readonly pinBudgetPages?: number } = {},
): TestCache {
  const { pages = 64, pinBudgetPages = 8, ...rest } = parts;
  const time = { now: 1000, wall: 1_700_000_000_000 };
  const clock = () => time.now;
  const kv = createKvCache({ pages, pageSize: PAGE_SIZE, clock, pinBudgetPages });
  const store = new PageStore(new PageLayout(fakeShape, { pages, pageSize: PAGE_SIZE }));
  const identity = {
    model: 'fake',
    weights: 'f32',
    tokenizer: '',
    kvType: 'f32',
    pageSize: PAGE_SIZE,
    layers: fakeShape.layers,
    kvHeads: fakeShape.kvHeads,
    headDim: fakeShape.headDim,
  };
  const openings = new Openings({ pageSize: PAGE_SIZE, clock });
  const files = new CacheFiles({
    kv,
    store,
    openings,
    identity,
    files: nodeFiles,
    clock,
    wallClock: () => time.wall,
    ...rest,
  });
  const rowsHere = (page: number, offset: number) =>
    [0, 1].map((layer) => [
      ...store.readKeys(layer, page * PAGE_SIZE + offset),
      ...store.readValues(layer, page * PAGE_SIZE + offset),
    ]);
  const serve: TestCache['serve'] = (given, claim = {}, salt = '') => {
    const tokens = Uint32Array.from(given);
    const tokenCount = tokens.length;
    files.observe({ salt, ...claim });
    files.load({ salt, tokens, tokenCount });
    const request = { tokens, tokenCount, salt, mode: 'share', roomTokens: tokenCount, keepPages: 0, claim } as const;
    const acquired = kv.acquire(request);
    if (!acquired.ok) throw new Error('no room');
    const { lease } = acquired;
    for (const { from, to, tokens: count } of lease.copies) store.copyRows(from, to, count);
    lease.transferred();
    for (let position = 0; position < tokenCount; position += 1) {
      const page = lease.pageTable[Math.floor(position / PAGE_SIZE)] as number;
      const offset = position % PAGE_SIZE;
      const value = rowOf(tokens, position);
      if (position < lease.matchedTokens) {
        for (const row of rowsHere(page, offset)) expect(new Set(row)).toEqual(new Set([value]));
        continue;
      }
      const rows = new Float32Array(2 * store.layout.tokenStride).fill(value);
      store.scatter({ keys: rows, values: rows, slots: Int32Array.of(page * PAGE_SIZE + offset), rowCount: 1 });
    }
    lease.seal(tokens, tokenCount);
    lease.release();
    expect(checkKv(kv)).toEqual([]);
    return lease.matchedTokens;
  };
  return { kv, store, files, time, serve, stop: () => files.dispose() };
}
