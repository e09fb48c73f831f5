/** Folders of compiled graphs: found again by fingerprint, checked before use, written beside and renamed so that none is seen half-made. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GraphError } from '../errors.ts';
import { asidePath, openPartial } from './partial-folder.ts';

export const GRAPH_FILE = 'model.onnx';
const MANIFEST_FILE = 'compiled.json';

interface Manifest {
  /** Bytes of the weights that the graph reads: less than the files, when a linked one holds more. */
  readonly weightBytes: number;
  /** Bytes of every other file of the folder. */
  readonly files: Readonly<Record<string, number>>;
  /** sha256 of the graph file; weights are too large to be hashed at every start. */
  readonly graphDigest: string;
}

/** Whether the folder holds everything that its manifest lists, in full. Reads the manifest and the graph file. */
export async function isIntact(folder: string): Promise<boolean> {
  try {
    const manifest = JSON.parse(await readFile(join(folder, MANIFEST_FILE), 'utf8')) as Manifest;
    const files = Object.entries(manifest.files);
    if (!files.some(([name]) => name === GRAPH_FILE)) return false;
    for (const [name, bytes] of files) {
      if ((await stat(join(folder, name))).size !== bytes) return false;
    }
    return (await digestOf(join(folder, GRAPH_FILE))) === manifest.graphDigest;
  } catch {
    // Whatever cannot be read is damaged: it is compiled again.
    return false;
  }
}

/** What the manifest of an intact folder says about its weights. */
export async function readWeightBytes(folder: string): Promise<number> {
  return (JSON.parse(await readFile(join(folder, MANIFEST_FILE), 'utf8')) as Manifest).weightBytes;
}

/** Bytes of a file of an intact folder. */
export async function readFileBytes(folder: string, file: string): Promise<number> {
  return (await stat(join(folder, file))).size;
}

/**
 * Lets `fill` write a new folder (it returns the bytes of the weights), then puts it in its place under `cacheFolder` at once. When another
 * process was faster, its result stays; a damaged one is replaced. Of an attempt that was interrupted, `fill` finds the files that are named
 * as resumable in its folder. Throws CACHE_UNWRITABLE when the file system refuses.
 */
export async function publishFolder(
  place: { readonly cacheFolder: string; readonly name: string; readonly resumable?: readonly string[] },
  fill: (folder: string) => Promise<number>,
): Promise<void> {
  const { cacheFolder, name, resumable = [] } = place;
  const target = join(cacheFolder, name);
  let partial: string | undefined;
  try {
    partial = await openPartial({ cacheFolder, name, resumable });
    await writeManifest(partial, await fill(partial));
    await moveInPlace(partial, target);
  } catch (cause) {
    throw isSystemError(cause) ? unwritable(cacheFolder, cause) : cause;
  } finally {
    // What cannot be removed is swept away later; the error above is the one to tell.
    if (partial !== undefined) await rm(partial, { recursive: true, force: true }).catch(() => {});
  }
}

/**
 * Lends `work` an empty folder under `cacheFolder` that goes away with it, or is swept away later when the process dies. Throws
 * CACHE_UNWRITABLE when the file system refuses.
 */
export async function withScratchFolder(cacheFolder: string, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = asidePath(cacheFolder);
  try {
    await mkdir(folder, { recursive: true });
    await work(folder);
  } catch (cause) {
    throw isSystemError(cause) ? unwritable(cacheFolder, cause) : cause;
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

async function writeManifest(folder: string, weightBytes: number): Promise<void> {
  const files: Record<string, number> = {};
  for (const name of (await readdir(folder)).sort()) files[name] = (await stat(join(folder, name))).size;
  const manifest: Manifest = { weightBytes, files, graphDigest: await digestOf(join(folder, GRAPH_FILE)) };
  await writeFile(join(folder, MANIFEST_FILE), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

async function moveInPlace(partial: string, target: string): Promise<void> {
  if (await tryRename(partial, target)) return;
  if (await isIntact(target)) return;
  // A damaged folder is moved aside first: a reader then finds either no folder or a whole one.
  const aside = asidePath(dirname(target));
  await rename(target, aside).catch((error: unknown) => {
    if (!hasCode(error, ['ENOENT'])) throw error;
  });
  await rm(aside, { recursive: true, force: true });
  if (!(await tryRename(partial, target)) && !(await isIntact(target))) {
    const message = `${target} is in the way of a compiled graph: remove it or set OCTAVO_CACHE to another folder`;
    throw new GraphError('CACHE_UNWRITABLE', message, { file: target });
  }
}

/** False when something is in the way. */
async function tryRename(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, ['ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EPERM'])) return false;
    throw error;
  }
}

async function digestOf(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

/** What the file system refuses carries the name of the call that failed. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error;
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

function unwritable(cacheFolder: string, cause: Error): GraphError {
  const message = `compiled graphs cannot be kept in ${cacheFolder} (${cause.message}): make room there or set OCTAVO_CACHE to another folder`;
  return new GraphError('CACHE_UNWRITABLE', message, { file: cacheFolder, cause });
}
