/** Several files of one commit, a few at a time. */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ModelsError } from '../errors.ts';
import type { ModelProgress } from '../resolved-model.ts';
import type { CachedModel } from './cache-layout.ts';
import { sizeOf } from './cache-layout.ts';
import { downloadBlob } from './download-blob.ts';
import type { HubClient } from './hub-client.ts';
import type { HubFile } from './hub-file.ts';
import type { RetryPolicy } from './retry.ts';

export interface FetchJob {
  readonly client: HubClient;
  readonly commit: string;
  readonly cache: CachedModel;
  readonly signal: AbortSignal;
  readonly retry: RetryPolicy;
  readonly onProgress: (progress: ModelProgress) => void;
}

/** More connections share one line. */
const FILES_AT_ONCE = 4;

/**
 * Effect: each file is in the snapshot afterwards; returns the bytes that were fetched. The first failure stops the others, whose parts are
 * kept. Throws DISK_FULL before the first request when there is no room for all.
 */
export async function fetchFiles(files: readonly HubFile[], job: FetchJob): Promise<number> {
  if (files.length === 0) return 0;
  await checkRoom(files, job.cache);
  const stop = new AbortController();
  const signal = AbortSignal.any([job.signal, stop.signal]);
  for (const { path, bytes } of files) job.onProgress({ status: 'initiate', file: path, loaded: 0, total: bytes });
  const waiting = [...files];
  let fetched = 0;
  const worker = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const bytes = await fetchFile(file, { ...job, signal });
      // Not in one expression: the sum would be read before the wait, and what others added meanwhile be lost.
      fetched += bytes;
    }
  };
  const workers = Array.from({ length: FILES_AT_ONCE }, () => worker());
  try {
    await Promise.all(workers);
  } catch (error) {
    stop.abort(error);
    // Nothing may still write when the caller hears of it.
    await Promise.allSettled(workers);
    job.signal.throwIfAborted();
    throw error;
  }
  return fetched;
}

async function fetchFile(file: HubFile, job: FetchJob): Promise<number> {
  const { client, commit, cache, signal, retry, onProgress } = job;
  const progress = { file: file.path, total: file.bytes };
  const fetched = await downloadBlob({
    client,
    commit,
    file,
    path: cache.blob(file),
    signal,
    retry,
    onBytes: (loaded) => onProgress({ status: 'progress', ...progress, loaded }),
  });
  await cache.link(commit, file);
  onProgress({ status: 'done', ...progress, loaded: file.bytes });
  return fetched;
}

async function checkRoom(files: readonly HubFile[], cache: CachedModel): Promise<void> {
  const there = await Promise.all(
    files.map(
      async (file) => (await sizeOf(cache.blob(file))) ?? (await sizeOf(`${cache.blob(file)}.octavo-incomplete`)) ?? 0,
    ),
  );
  const needed = files.reduce((sum, { bytes }, at) => sum + Math.max(0, bytes - (there[at] ?? 0)), 0);
  const free = await freeBytes(dirname(cache.blob(files[0] as HubFile)));
  if (free === undefined || needed <= free) return;
  throw new ModelsError(
    'DISK_FULL',
    `The files need ${needed} bytes and the disk of the cache has ${free}; make room, or set HF_HUB_CACHE to another disk.`,
    { details: { needed, free } },
  );
}

/** Of the disk that the folder is on, or will be; undefined when the system does not say. */
async function freeBytes(folder: string): Promise<number | undefined> {
  const found = await statfs(folder).catch(() => undefined);
  if (found !== undefined) return found.bavail * found.bsize;
  return dirname(folder) === folder ? undefined : freeBytes(dirname(folder));
}
