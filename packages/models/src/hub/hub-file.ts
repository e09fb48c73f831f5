/** A file of a model on the hub, as its listing describes it, once every field is checked. */
import { nonsense } from './hub-errors.ts';

export interface HubFile {
  /** Relative, with `/`; stays inside the model. */
  readonly path: string;
  readonly bytes: number;
  readonly digest: Digest;
}

/** What the content must hash to: large files have a SHA-256 of their bytes, others git's SHA-1 of a blob. */
export interface Digest {
  readonly kind: 'sha256' | 'git-blob';
  /** 64 or 40 hexadecimal digits; the name of the blob in the cache. */
  readonly hex: string;
}

/** One entry of a listing, unchecked. */
export interface ListedFile {
  readonly path: string;
  readonly size: number;
  readonly oid?: string;
  readonly lfs?: { readonly oid: string; readonly size: number };
}

/**
 * Pure. Throws HUB_FAILED for what must not become a path or the name of a file here: the listing belongs to whoever made the model.
 */
export function checkedFile(owner: string, { path, size, oid, lfs }: ListedFile): HubFile {
  if (!isInside(path)) throw nonsense(owner, `a file is called ${JSON.stringify(path)}`);
  const bytes = lfs?.size ?? size;
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw nonsense(owner, `${path} has ${bytes} bytes`);
  const digest: Digest =
    lfs === undefined
      ? { kind: 'git-blob', hex: String(oid) }
      : { kind: 'sha256', hex: lfs.oid.replace(/^sha256:/, '') };
  const isHash = digest.kind === 'sha256' ? /^[0-9a-f]{64}$/.test(digest.hex) : /^[0-9a-f]{40}$/.test(digest.hex);
  if (!isHash) throw nonsense(owner, `${path} has the digest ${JSON.stringify(digest.hex)}`);
  return { path, bytes, digest };
}

/** Whether a path has only plain names in it: no way out, no drive, no stream, nothing hidden in control characters. */
function isInside(path: unknown): path is string {
  if (typeof path !== 'string' || path === '' || path.length > 1024) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && isPlain(part));
}

function isPlain(part: string): boolean {
  return !/[\\:<>|?*"]/.test(part) && [...part].every((character) => character >= ' ' && character !== '\u007f');
}
