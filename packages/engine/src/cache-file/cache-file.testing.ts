/** Shared by the tests of cache files: pages whose bytes are known, and what a file of them may give out. */
import { expect } from 'vitest';
import { type FilePort, nodeFiles } from './file-port.ts';
import { openCacheFile } from './read-cache-file.ts';
import type { CacheIdentity, StoredClaim } from './stored-index.ts';
import type { CacheToStore } from './write-cache-file.ts';

export const identity: CacheIdentity = {
  model: 'm'.repeat(64),
  weights: 'f32',
  tokenizer: 't'.repeat(64),
  kvType: 'f32',
  pageSize: 4,
  layers: 2,
  kvHeads: 2,
  headDim: 4,
};
export const PAGE_BYTES = 96;
export const wanted = { identity, pageBytes: PAGE_BYTES };
export const claim: StoredClaim = { salt: '', tags: [], context: [], priority: 'normal', isPinned: false };

/** Bytes of page `index`: no two pages have the same. */
export function bytesOf(index: number): Uint8Array {
  return Uint8Array.from({ length: PAGE_BYTES }, (_, at) => (index * 31 + at * 7) % 256);
}

export function cacheOf(pages: CacheToStore['pages'], claims: readonly StoredClaim[] = [claim]): CacheToStore {
  const readPage = (index: number, into: Uint8Array) => into.set(bytesOf(index));
  return { identity, writtenMs: 1_700_000_000_000, claims, openings: [], pages, pageBytes: PAGE_BYTES, readPage };
}

export const chain = (count: number): CacheToStore['pages'] =>
  Array.from({ length: count }, (_, index) => ({
    parent: index - 1,
    salt: '',
    tokens: Uint32Array.of(index, 1, 2, 3).subarray(0, index === count - 1 ? 3 : 4),
    claims: index === count - 1 ? [0] : [],
  }));

/** Every page that a file gives out is the one that was written; returns how many it refuses. */
export function expectOnlyWritten(path: string, files: FilePort = nodeFiles): number | 'refused' {
  const opened = openCacheFile(files, path, wanted);
  if (!opened.ok) return 'refused';
  const into = new Uint8Array(PAGE_BYTES);
  let refusedPages = 0;
  for (const index of opened.value.index.pages.keys()) {
    if (opened.value.readPage(index, into)) expect(into).toEqual(bytesOf(index));
    else refusedPages += 1;
  }
  opened.value.close();
  return refusedPages;
}
