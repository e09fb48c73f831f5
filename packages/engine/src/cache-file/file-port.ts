/** The few things that a cache file needs of a file system; tests put one here that fails or stops at any of them. */
import {
  closeSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

export interface FilePort {
  readonly openRead: (path: string) => number;
  /** Creates or empties. */
  readonly openWrite: (path: string) => number;
  readonly bytesOf: (file: number) => number;
  /** Bytes that were read from `position` on; fewer than asked for at the end of the file. */
  readonly read: (file: number, into: Uint8Array, position: number) => number;
  readonly write: (file: number, bytes: Uint8Array, position: number) => void;
  /** Nothing comes after so many bytes. */
  readonly truncate: (file: number, bytes: number) => void;
  /** Returns when the bytes are on the disk. */
  readonly sync: (file: number) => void;
  /** As `sync`, while this thread goes on. */
  readonly syncSoon: (file: number) => Promise<void>;
  readonly close: (file: number) => void;
  readonly rename: (from: string, to: string) => void;
  /** Makes renames in the folder of a file last, while this thread goes on. */
  readonly syncFolderSoon: (path: string) => Promise<void>;
  /** Missing files are none of its business. */
  readonly remove: (path: string) => void;
}

export const nodeFiles: FilePort = {
  openRead: (path) => openSync(path, 'r'),
  openWrite: (path) => openSync(path, 'w', 0o600),
  bytesOf: (file) => fstatSync(file).size,
  read: (file, into, position) => {
    let done = 0;
    while (done < into.length) {
      const count = readSync(file, into, done, into.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  },
  write: (file, bytes, position) => {
    let done = 0;
    while (done < bytes.length) done += writeSync(file, bytes, done, bytes.length - done, position + done);
  },
  truncate: ftruncateSync,
  sync: fsyncSync,
  syncSoon: promisify(fsync),
  close: closeSync,
  rename: renameSync,
  syncFolderSoon: async (path) => {
    // Not every system lets a folder be opened; the rename is atomic all the same.
    try {
      const folder = await open(dirname(path), 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    } catch {}
  },
  remove: (path) => rmSync(path, { force: true }),
};
