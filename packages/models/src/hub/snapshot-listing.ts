/** What a snapshot holds that another tool of the hub made: there is no listing of the hub for it. */
import { readdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { sizeOf } from './cache-layout.ts';
import type { HubFile } from './hub-file.ts';

/** The digests are not known, and nothing that is there needs them. Empty when there is no such snapshot. */
export async function snapshotListing(folder: string): Promise<readonly HubFile[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const files = await Promise.all(
    names.map(async (name): Promise<HubFile[]> => {
      const bytes = await sizeOf(join(folder, name));
      if (bytes === undefined) return [];
      return [{ path: name.split(sep).join('/'), bytes, digest: { kind: 'git-blob', hex: '' } }];
    }),
  );
  return files.flat().sort((a, b) => (a.path < b.path ? -1 : 1));
}
