/** Hashing of a file as it arrives. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { HubFile } from './hub-file.ts';

/** A hash over the bytes of `file`; git hashes the kind and the size of a blob before its bytes. Pure. */
export function startHash({ digest, bytes }: HubFile): Hash {
  return digest.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
}

/** Adds what a file holds to a hash. */
export async function hashFile(hash: Hash, path: string, signal: AbortSignal): Promise<void> {
  for await (const chunk of createReadStream(path, { signal, highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
}
