/** Writes a cache file whole or not at all: beside its place, to the disk, then renamed into it. */
import { checksumOf, encodeHeader, HEADER_BYTES } from './file-header.ts';
import type { FilePort } from './file-port.ts';
import { encodeIndex } from './index-codec.ts';
import type { StoredIndex, StoredPage } from './stored-index.ts';

/** A page without its checksum, which comes of its bytes. */
export type PageToStore = Omit<StoredPage, 'checksum'>;

export interface CacheToStore extends Omit<StoredIndex, 'pages'> {
  readonly pages: readonly PageToStore[];
  readonly pageBytes: number;
  /** Effect: puts the bytes of page `index` into `into` [pageBytes]. False: they cannot be had, and the file is not written. */
  readonly readPage: (index: number, into: Uint8Array) => void;
}

/**
 * Effect: `path` is the new file, or what it was before: also when this process ends at any point. What ends it early throws, and leaves at
 * most a file with `.partial` at its end, which the next writer replaces. Returns the bytes of the file. Memory: the index and one page.
 */
export function writeCacheFile(files: FilePort, path: string, cache: CacheToStore): number {
  const partial = `${path}.partial`;
  const file = files.openWrite(partial);
  let bytes: number;
  try {
    bytes = writeParts(files, file, cache);
    files.sync(file);
  } catch (error) {
    files.close(file);
    files.remove(partial);
    throw error;
  }
  files.close(file);
  files.rename(partial, path);
  files.syncFolder(path);
  return bytes;
}

function writeParts(files: FilePort, file: number, cache: CacheToStore): number {
  const { pageBytes, readPage, ...rest } = cache;
  const page = new Uint8Array(pageBytes);
  const pages = cache.pages.map((given, index) => {
    readPage(index, page);
    files.write(file, page, HEADER_BYTES + index * pageBytes);
    return { ...given, checksum: checksumOf(page) };
  });
  const index = encodeIndex({ ...rest, pages });
  const pageCount = pages.length;
  const indexAt = HEADER_BYTES + pageCount * pageBytes;
  files.write(file, index, indexAt);
  files.write(file, encodeHeader({ pageBytes, pageCount, indexBytes: index.length }, index), 0);
  return indexAt + index.length;
}
