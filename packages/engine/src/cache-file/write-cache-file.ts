/** Writes a cache file whole or not at all: beside its place, to the disk, then renamed into it. */
import { checksumOf, encodeHeader, HEADER_BYTES } from './file-header.ts';
import type { FilePort } from './file-port.ts';
import { encodeIndex } from './index-codec.ts';
import type { StoredIndex, StoredPage } from './stored-index.ts';

/** A page without its checksum, which comes of its bytes. */
export type PageToStore = Omit<StoredPage, 'checksum'>;

/** What an index says besides its pages. */
export type IndexToStore = Omit<StoredIndex, 'pages'>;

/**
 * Writes one file, a page at a time, whoever else works in between. `path` is the new file, or what it was before: also when this process ends
 * at any point. What ends it early leaves at most a file with `.partial` at its end, which the next writer replaces. After an error, `abandon`.
 */
export class CacheFileWriter {
  readonly #files: FilePort;
  readonly #path: string;
  readonly #pageBytes: number;
  readonly #checksums: Uint8Array[] = [];
  /** Undefined: it is written, or was given up. */
  #file: number | undefined;

  /** Effect: makes the file that will be renamed. Throws what the files do. */
  constructor(files: FilePort, path: string, pageBytes: number) {
    this.#files = files;
    this.#path = path;
    this.#pageBytes = pageBytes;
    this.#file = files.openWrite(this.#partial);
  }

  /** Pages so far. */
  get pageCount(): number {
    return this.#checksums.length;
  }

  /** Writes [pageBytes] as the next page. */
  append(page: Uint8Array): void {
    this.#put(this.#checksums.length, page);
  }

  /** Writes zeros over a page: nothing of it is left. */
  clear(page: number): void {
    this.#put(page, new Uint8Array(this.#pageBytes));
  }

  /** Resolves when the pages so far are on the disk, so that `finish` has little left to wait for. */
  async flush(): Promise<void> {
    if (this.#file !== undefined) await this.#files.syncSoon(this.#file);
  }

  /** Effect: the file is there, under its own name. `pages` are those that were appended. Returns the bytes of the file. */
  finish(index: IndexToStore, pages: readonly PageToStore[]): number {
    const file = this.#file as number;
    const stored = pages.map((page, at) => ({ ...page, checksum: this.#checksums[at] as Uint8Array }));
    const bytes = encodeIndex({ ...index, pages: stored });
    const indexAt = this.#placeOf(pages.length);
    this.#files.write(file, bytes, indexAt);
    const header = { pageBytes: this.#pageBytes, pageCount: pages.length, indexBytes: bytes.length };
    this.#files.write(file, encodeHeader(header, bytes), 0);
    this.#files.sync(file);
    this.#file = undefined;
    this.#files.close(file);
    this.#files.rename(this.#partial, this.#path);
    this.#files.syncFolder(this.#path);
    return indexAt + bytes.length;
  }

  /** Effect: what was written so far is gone, unless it is whole. */
  abandon(): void {
    if (this.#file === undefined) return;
    const file = this.#file;
    this.#file = undefined;
    this.#files.close(file);
    this.#files.remove(this.#partial);
  }

  get #partial(): string {
    return `${this.#path}.partial`;
  }

  #placeOf(page: number): number {
    return HEADER_BYTES + page * this.#pageBytes;
  }

  #put(at: number, page: Uint8Array): void {
    this.#files.write(this.#file as number, page, this.#placeOf(at));
    this.#checksums[at] = checksumOf(page);
  }
}
