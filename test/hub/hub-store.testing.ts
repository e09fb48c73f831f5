/** What a hub knows of its models: commits with files, each stored plainly, as a large file, or as chunks. */
import { createHash } from 'node:crypto';

export type Storage = 'git' | 'large' | 'chunks';

export interface StoredFile {
  readonly path: string;
  readonly bytes: Buffer;
  readonly storage: Storage;
  /** SHA-256 of the bytes for large files, git's SHA-1 of the blob for others; what the hub promises, true or not. */
  readonly digest: string;
  /** What the hub says of the size. */
  readonly size: number;
}

export interface StoredCommit {
  readonly commit: string;
  readonly files: readonly StoredFile[];
}

export interface StoredModel {
  readonly commits: Map<string, StoredCommit>;
  /** Branches and tags. */
  readonly refs: Map<string, string>;
  /** `gated`: its files need a token that was granted; `private`: so does the knowledge that it exists. */
  access: 'public' | 'gated' | 'private';
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function gitBlobSha1(bytes: Buffer): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

/** Weights are large files; all else is in git. */
export function storedFile(path: string, content: Buffer | string, storage?: Storage): StoredFile {
  const bytes = Buffer.from(content);
  const kind = storage ?? (/\.(safetensors|onnx|onnx_data|bin|gguf)$/.test(path) ? 'large' : 'git');
  const digest = kind === 'git' ? gitBlobSha1(bytes) : sha256(bytes);
  return { path, bytes, storage: kind, digest, size: bytes.length };
}

/** An entry of `GET /api/models/ORG/NAME/tree/REV`. */
export function treeEntry({ path, digest, size, storage }: StoredFile): object {
  if (storage === 'git') return { type: 'file', oid: digest, size, path };
  const pointer = gitBlobSha1(Buffer.from(`pointer to ${digest}`));
  const lfs = { oid: digest, size, pointerSize: 134 };
  return {
    type: 'file',
    oid: pointer,
    size,
    path,
    lfs,
    ...(storage === 'chunks' ? { xetHash: chunkHash(digest) } : {}),
  };
}

/** The name of a file in the store of chunks: another hash than that of its bytes. */
export function chunkHash(digest: string): string {
  return createHash('sha256').update(`chunks of ${digest}`).digest('hex');
}
