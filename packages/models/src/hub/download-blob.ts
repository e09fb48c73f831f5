/** One file from the hub into the cache: continued where it stopped, checked, and only then given its name. */
import type { Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ModelsError } from '../errors.ts';
import { cacheError, sizeOf } from './cache-layout.ts';
import { hashFile, startHash } from './digest.ts';
import { lockFile } from './file-lock.ts';
import type { ByteStream, HubClient } from './hub-client.ts';
import { deepestMessage } from './hub-fetch.ts';
import type { HubFile } from './hub-file.ts';
import { delayAfter, pause, type RetryPolicy } from './retry.ts';

export interface BlobDownload {
  readonly client: HubClient;
  readonly commit: string;
  readonly file: HubFile;
  /** Where the blob goes. */
  readonly path: string;
  readonly signal: AbortSignal;
  readonly retry: RetryPolicy;
  /** Called with the bytes that are there: once before the first request, then as they arrive. */
  readonly onBytes: (loaded: number) => void;
}

/** Complete copies that may turn out wrong before it is an error: the first may have been continued from a damaged part. */
const MOST_WRONG_COPIES = 2;

/**
 * Effect: makes the blob unless it is there; returns the bytes that were fetched. What arrived before a failure or an abort stays beside it
 * for the next attempt. Safe to call several times at once, in one process or many: one fetches, the others wait for it.
 * Throws ModelsError; rejects with the signal's reason when it fires.
 */
export async function downloadBlob(download: BlobDownload): Promise<number> {
  const { file, path, signal, onBytes } = download;
  try {
    await mkdir(dirname(path), { recursive: true });
    const lock = await lockFile(`${path}.octavo-lock`, signal);
    try {
      if ((await sizeOf(path)) === file.bytes) return 0;
      return await fetchChecked(download, `${path}.octavo-incomplete`);
    } finally {
      await lock.release();
      onBytes((await sizeOf(path)) ?? 0);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw cacheError(error, path);
  }
}

async function fetchChecked(download: BlobDownload, part: string): Promise<number> {
  const { file, path } = download;
  let fetched = 0;
  for (let copies = 1; ; copies++) {
    const copy = await fetchRest(download, part);
    fetched += copy.fetched;
    if (copy.hex === file.digest.hex) break;
    await rm(part, { force: true });
    if (copies === MOST_WRONG_COPIES) throw corrupt(file, `hashes to ${copy.hex} in place of ${file.digest.hex}`);
  }
  await rename(part, path);
  return fetched;
}

interface Copy {
  readonly hex: string;
  readonly fetched: number;
}

/** Until all bytes are there. Each attempt continues the last one; only attempts in a row that brought nothing are counted. */
async function fetchRest(download: BlobDownload, part: string): Promise<Copy> {
  const { file, signal, retry, onBytes } = download;
  const start = await usableBytes(part, file);
  const hash = startHash(file);
  if (start > 0) await hashFile(hash, part, signal);
  onBytes(start);
  let loaded = start;
  let failures = 0;
  const writer = await open(part, 'a');
  try {
    while (loaded < file.bytes) {
      const before = loaded;
      let failure: unknown;
      try {
        // Where chunks fail repeatedly, the plain file may not.
        const way = failures < 2 ? 'chunks' : 'whole';
        const stream = await download.client.open(file, { commit: download.commit, offset: loaded, way });
        for await (const bytes of append(stream, { writer, hash, most: file.bytes - loaded, file })) {
          loaded += bytes;
          onBytes(loaded);
        }
      } catch (error) {
        signal.throwIfAborted();
        if (!isPassing(error)) throw error;
        failure = error;
      }
      // A stream may also end early without saying why; one that brought something is asked for the rest at once.
      if (loaded === file.bytes || (failure === undefined && loaded > before)) continue;
      failures = loaded > before ? 1 : failures + 1;
      if (failures >= retry.attempts) throw broken(file, { loaded, cause: failure });
      await pause(delayAfter(failures, retry), signal);
    }
    await writer.datasync();
    return { hex: hash.digest('hex'), fetched: loaded - start };
  } finally {
    await writer.close();
  }
}

/** Bytes of an earlier attempt; too many cannot be right. */
async function usableBytes(part: string, file: HubFile): Promise<number> {
  const bytes = (await sizeOf(part)) ?? 0;
  if (bytes <= file.bytes) return bytes;
  await truncate(part, 0);
  return 0;
}

interface Sink {
  readonly writer: FileHandle;
  readonly hash: Hash;
  /** Bytes that are still missing. */
  readonly most: number;
  readonly file: HubFile;
}

/** Yields the number of bytes of each piece once it is written. Throws DOWNLOAD_CORRUPT when there are more than were promised. */
async function* append(stream: ByteStream, { writer, hash, most, file }: Sink): AsyncGenerator<number> {
  let left = most;
  for await (const piece of stream) {
    if (piece.byteLength > left) throw corrupt(file, `has more than the ${file.bytes} bytes that were promised`);
    // Not `write`, which may do with less than the whole piece.
    await writer.writeFile(piece);
    hash.update(piece);
    left -= piece.byteLength;
    yield piece.byteLength;
  }
}

/** Anything but our own verdicts and the disk's may be gone the next time. */
function isPassing(error: unknown): boolean {
  if (error instanceof ModelsError) return false;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return !/^E(NOSPC|DQUOT|IO|ROFS|ACCES|PERM|BADF|MFILE)$/.test(code);
}

function corrupt(file: HubFile, how: string): ModelsError {
  return new ModelsError(
    'DOWNLOAD_CORRUPT',
    `${file.path} ${how}; try again, and check what is between this machine and the hub (proxy, mirror) if it stays so.`,
    { details: { file: file.path, bytes: file.bytes } },
  );
}

function broken(file: HubFile, { loaded, cause }: { loaded: number; cause: unknown }): ModelsError {
  const why = cause === undefined ? 'the answer ends early' : deepestMessage(cause);
  return new ModelsError(
    'HUB_UNREACHABLE',
    `${file.path} stopped after ${loaded} of ${file.bytes} bytes (${why}); start again: what arrived is kept.`,
    { details: { file: file.path, loaded, total: file.bytes }, cause },
  );
}
