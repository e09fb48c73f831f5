/**
 * The hub's cache on disk, as all of its tools share it:
 *
 *     models--ORG--NAME/refs/main                     the commit that a branch was
 *     models--ORG--NAME/snapshots/COMMIT/config.json  a relative symbolic link to a blob
 *     models--ORG--NAME/blobs/DIGEST                  the bytes, once for all commits
 *     models--ORG--NAME/.octavo/COMMIT.json           ours: which files the commit has
 *
 * Everything appears by renaming, so no reader ever sees a part of a file.
 */
import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { ModelsError, systemCode } from '../errors.ts';
import { checkedFile, type HubFile } from './hub-file.ts';
import { isCommit } from './model-name.ts';

/** One model's place in the cache. */
export class CachedModel {
  readonly name: string;
  readonly #folder: string;

  constructor(cacheFolder: string, name: string) {
    this.name = name;
    this.#folder = join(cacheFolder, `models--${name.replace('/', '--')}`);
  }

  snapshot(commit: string): string {
    return join(this.#folder, 'snapshots', commit);
  }

  blob(file: HubFile): string {
    return join(this.#folder, 'blobs', file.digest.hex);
  }

  /** The commit that the revision was when it was last fetched; undefined when it never was. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.#folder, 'refs', revision), 'utf8').catch(() => '');
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  async writeCommitOf(revision: string, commit: string): Promise<void> {
    if (!isCommit(revision)) await this.#write(join(this.#folder, 'refs', revision), commit);
  }

  /** The files of a commit as the hub listed them; undefined when it was never asked, or what is there is damaged. */
  async listing(commit: string): Promise<readonly HubFile[] | undefined> {
    try {
      const files: readonly HubFile[] = JSON.parse(await readFile(this.#listingFile(commit), 'utf8'));
      // The same checks as for the hub's answer: anyone may have written here.
      return files.map(({ path, bytes, digest: { kind, hex } }) =>
        checkedFile(this.name, {
          path,
          size: bytes,
          oid: hex,
          ...(kind === 'sha256' ? { lfs: { oid: hex, size: bytes } } : {}),
        }),
      );
    } catch {
      return undefined;
    }
  }

  async writeListing(commit: string, files: readonly HubFile[]): Promise<void> {
    await this.#write(this.#listingFile(commit), JSON.stringify(files));
  }

  /** Whether the snapshot has the whole file. */
  async has(commit: string, file: HubFile): Promise<boolean> {
    return (await sizeOf(join(this.snapshot(commit), file.path))) === file.bytes;
  }

  /** Effect: makes the blob appear in the snapshot: as a relative link, or as a copy where links cannot be made. */
  async link(commit: string, file: HubFile): Promise<void> {
    const path = join(this.snapshot(commit), file.path);
    const fresh = `${path}.${randomUUID()}`;
    await this.#guard(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      const blob = this.blob(file);
      await symlink(relative(dirname(path), blob), fresh).catch(() => copyFile(blob, fresh));
      await rename(fresh, path);
    });
  }

  /** Runs a change of the cache. Throws HUB_CACHE_UNWRITABLE or DISK_FULL in place of what the system says. */
  async #guard(path: string, change: () => Promise<void>): Promise<void> {
    await change().catch((error: unknown) => {
      throw cacheError(error, path);
    });
  }

  async #write(path: string, text: string): Promise<void> {
    const fresh = `${path}.${randomUUID()}`;
    await this.#guard(path, async () => {
      await mkdir(dirname(path), { recursive: true });
      try {
        await writeFile(fresh, text);
        await rename(fresh, path);
      } finally {
        await rm(fresh, { force: true });
      }
    });
  }

  #listingFile(commit: string): string {
    return join(this.#folder, '.octavo', `${commit}.json`);
  }
}

/** Bytes of a file behind any links; undefined when there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}

/** A failed write to the cache, for people. Errors that are no answer of the system pass through. */
export function cacheError(error: unknown, path: string): unknown {
  const code = systemCode(error);
  if (code === undefined || error instanceof ModelsError) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ModelsError(
      'DISK_FULL',
      `The disk is full at ${path}; make room, or set HF_HUB_CACHE to another disk.`,
      {
        cause: error,
      },
    );
  }
  const message = `${path} cannot be written (${code}); set HF_HUB_CACHE to a folder that can`;
  return new ModelsError('HUB_CACHE_UNWRITABLE', `${message}.`, { cause: error });
}
