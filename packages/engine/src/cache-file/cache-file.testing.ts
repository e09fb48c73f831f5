/** Shared by the tests of cache files: pages whose bytes are known, and what a file of them may give out. */
import { expect } from 'vitest';
import { type FileHeader, HeaderDraft } from './file-header.ts';
import { type FilePort, nodeFiles } from './file-port.ts';
import { IndexDraft } from './index-draft.ts';
import { openCacheFile } from './read-cache-file.ts';
import { SliceBudget } from './slice-budget.ts';
import type { CacheIdentity, StoredClaim, StoredIndex, StoredPage } from './stored-index.ts';
import { CacheFileWriter } from './write-cache-file.ts';

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

/** A page without its checksum, which comes of its bytes. */
export type PageToStore = Omit<StoredPage, 'checksum'>;

/** Everything that goes into a file. */
export interface CacheToStore extends Omit<StoredIndex, 'pages'> {
  readonly pages: readonly PageToStore[];
}

/** Writes a file of pages whose bytes are those of `bytesOf`. Returns its bytes. */
export function writeCacheFile(files: FilePort, path: string, { pages, ...index }: CacheToStore): number {
  const writer = new CacheFileWriter(files, path, PAGE_BYTES);
  try {
    const stored = pages.map((page, at) => ({ ...page, checksum: writer.append(bytesOf(at)) }));
    const bytes = encodeIndex({ ...index, pages: stored });
    writer.beginIndex(bytes.length);
    writer.appendIndex(bytes);
    writer.endIndex();
    return writer.finish();
  } catch (error) {
    writer.abandon();
    throw error;
  }
}

/** The bytes of an index, all at once. */
export function encodeIndex({ identity, writtenMs, openings, claims, pages }: StoredIndex): Uint8Array {
  const draft = new IndexDraft(identity.pageSize);
  for (const { salt, claims: own, ...page } of pages) {
    const place = draft.append(salt, page);
    for (const claim of own.toReversed()) draft.addClaim(place, claim);
  }
  const said = { count: claims.length, isLive: () => true, claimOf: (at: number) => claims[at] as StoredClaim };
  const encoding = draft.encode({ identity, writtenMs, openings }, said, new SliceBudget(Number.POSITIVE_INFINITY));
  const { value } = encoding.next();
  return Buffer.concat([...(value as Iterable<Uint8Array>)]);
}

/** The header of a file with this index. */
export function encodeHeader(header: FileHeader, index: Uint8Array): Uint8Array {
  const draft = new HeaderDraft(header);
  draft.add(index);
  return draft.end();
}

export function cacheOf(pages: CacheToStore['pages'], claims: readonly StoredClaim[] = [claim]): CacheToStore {
  return { identity, writtenMs: 1_700_000_000_000, claims, openings: [], pages };
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
    if (opened.value.readPage(index, into) === 'intact') expect(into).toEqual(bytesOf(index));
    else refusedPages += 1;
  }
  opened.value.close();
  return refusedPages;
}

/** Stops at the n-th operation, as a process that is killed does: nothing happens afterwards, no cleaning up either. */
export function dyingAt(operation: number): FilePort {
  let left = operation;
  const steps = nodeFiles as unknown as Record<string, (...given: unknown[]) => unknown>;
  const entries = Object.keys(steps).map((name) => [
    name,
    (...given: unknown[]) => {
      left -= 1;
      if (left < 0) throw new Error('killed');
      // Half of what is written arrives.
      if (left === 0 && name === 'write') {
        const [file, bytes, position] = given as [number, Uint8Array, number];
        nodeFiles.write(file, bytes.subarray(0, bytes.length >> 1), position);
        throw new Error('killed');
      }
      return steps[name]?.(...given);
    },
  ]);
  return Object.fromEntries(entries) as FilePort;
}
