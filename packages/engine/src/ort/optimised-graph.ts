/**
 * What the runtime's optimiser makes of a compiled graph is the same at every start, and takes up to a fifth of one: it is kept beside the
 * graph, by the first session that is opened from there.
 */
import { createHash, randomUUID } from 'node:crypto';
import { access, constants, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { env, type InferenceSession } from 'onnxruntime-node';
import { openSession, type SessionOptions } from './session.ts';

/** Another runtime optimises otherwise. Behind it stands a digest of the content: what is damaged is not loaded. */
const PREFIX = `optimised-${env.versions.node}-${process.arch}-`;
const PARTIAL_PREFIX = '.optimised-';
const SUFFIX = '.onnx';

/** A larger one holds weights that were folded: reading them twice costs more than it saves. */
const MOST_BYTES = 32 << 20;

/** Older ones belong to processes that died. */
const PARTIAL_LIFE_MS = 3_600_000;

/**
 * A session of a compiled graph, whose folder is ours. Effect: the first one leaves the optimised graph in the folder, where that can be
 * written. Blocks the thread until the session is ready. Throws OPEN_FAILED.
 */
export async function openCompiledSession(graphFile: string, options: SessionOptions): Promise<InferenceSession> {
  const folder = dirname(graphFile);
  const kept = await findKept(folder);
  if (kept === 'not-worth') return openSession(graphFile, options);
  if (kept !== undefined) {
    try {
      return await openSession(kept, { ...options, graph: 'optimised' });
    } catch {
      // The graph itself says what is wrong, if it is not this file.
      await remove(kept);
      return openSession(graphFile, options);
    }
  }
  if (!(await isWritable(folder))) return openSession(graphFile, options);
  await sweep(folder);
  const partial = join(folder, `${PARTIAL_PREFIX}${randomUUID()}${SUFFIX}`);
  try {
    const session = await openSession(graphFile, { ...options, saveOptimised: partial });
    await keep(partial, folder);
    return session;
  } catch {
    await remove(partial);
    return openSession(graphFile, options);
  }
}

async function findKept(folder: string): Promise<string | 'not-worth' | undefined> {
  try {
    for (const name of await readdir(folder)) {
      if (!name.startsWith(PREFIX)) continue;
      const file = join(folder, name);
      const bytes = await readFile(file);
      if (name === nameOf(bytes)) return bytes.length === 0 ? 'not-worth' : file;
      await remove(file);
    }
  } catch {
    // A folder that cannot be read is the session's to complain about.
  }
  return undefined;
}

/** Gives the file its name; an empty one remembers that it was too large. Whoever cannot keep it runs without. */
async function keep(partial: string, folder: string): Promise<void> {
  try {
    if ((await stat(partial)).size > MOST_BYTES) await writeFile(partial, '');
    await rename(partial, join(folder, nameOf(await readFile(partial))));
  } catch {
    await remove(partial);
  }
}

function nameOf(bytes: Uint8Array): string {
  return `${PREFIX}${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}${SUFFIX}`;
}

async function isWritable(folder: string): Promise<boolean> {
  try {
    await access(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(PARTIAL_PREFIX)) continue;
    const file = join(folder, name);
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }));
    if (Date.now() - mtimeMs > PARTIAL_LIFE_MS) await remove(file);
  }
}

async function remove(file: string): Promise<void> {
  await rm(file, { force: true }).catch(() => {});
}
