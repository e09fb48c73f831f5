/**
 * Folders that are being filled. The name says which graph it is for and who fills it, so that the next one who wants the same graph can take
 * over what a process that is gone has left, and nobody takes what somebody works on.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

const PREFIX = '.partial-';
/** A folder that nobody has written to for a day belongs to a process that is gone. */
const STALE_MS = 24 * 60 * 60 * 1000;
/** Whoever fills a folder writes to it many times a second; process numbers of another machine, or used again, say nothing. */
const QUIET_MS = 60 * 1000;

export interface PartialPlace {
  readonly cacheFolder: string;
  /** Of the graph: its fingerprint. */
  readonly name: string;
  /** Files that are worth keeping of an interrupted attempt: whoever fills the folder has to check what is in them. */
  readonly resumable: readonly string[];
}

/**
 * An empty folder to fill, or the one that a process which is gone has left for the same graph, with its resumable files and no others.
 * Effect: also removes folders that were left long ago.
 */
export async function openPartial(place: PartialPlace): Promise<string> {
  const { cacheFolder, name } = place;
  await mkdir(cacheFolder, { recursive: true });
  const partial = join(cacheFolder, `${PREFIX}${name}.${hostMark()}.${process.pid}.${randomUUID()}`);
  for (const other of await readdir(cacheFolder)) {
    if (!other.startsWith(PREFIX)) continue;
    const path = join(cacheFolder, other);
    const quietMs = Date.now() - (await lastTouchedMs(path));
    if (quietMs > STALE_MS) await rm(path, { recursive: true, force: true });
    else if (isFor(other, name) && isAbandoned(other, quietMs) && (await tryTakeOver(path, partial))) {
      await removeOthers(partial, place.resumable);
      return partial;
    }
  }
  await mkdir(partial);
  return partial;
}

/** A folder beside the others that is swept away like them. */
export function asidePath(cacheFolder: string): string {
  return join(cacheFolder, `${PREFIX}${randomUUID()}`);
}

function isFor(partial: string, name: string): boolean {
  return partial.startsWith(`${PREFIX}${name}.`);
}

/** Should its owner be alive after all, both write the same bytes to the same places, and one of them comes too late to publish. */
function isAbandoned(partial: string, quietMs: number): boolean {
  if (quietMs > QUIET_MS) return true;
  const [host, pid] = partial.split('.').slice(-3);
  return host === hostMark() && !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is alive, too.
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

/** False when another one was faster. */
async function tryTakeOver(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch {
    return false;
  }
}

async function removeOthers(folder: string, kept: readonly string[]): Promise<void> {
  for (const entry of await readdir(folder)) {
    if (!kept.includes(entry)) await rm(join(folder, entry), { recursive: true, force: true });
  }
}

/** When the folder or a file in it was last written; 0 when it is gone. */
async function lastTouchedMs(folder: string): Promise<number> {
  const entries = await readdir(folder).catch(() => []);
  const paths = [folder, ...entries.map((entry) => join(folder, entry))];
  const times = await Promise.all(
    paths.map((path) =>
      stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  return Math.max(...times);
}

/** Tells machines apart that share a cache folder. */
function hostMark(): string {
  return createHash('sha256').update(hostname()).digest('hex').slice(0, 12);
}
