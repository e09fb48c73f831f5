/** Writes a cache file whole or not at all: beside its place, to the disk, then renamed into it. */
import { checksumOf, HEADER_BYTES, HeaderDraft } from './file-header.ts';
import type { FilePort } from './file-port.ts';

/**
 * Writes one file, a piece at a time, whoever else works in between: pages, then the index, which may be written again. `path` is the new file,
 * or what it was before: also when this process ends at any point. What ends it early leaves at most a file with `.partial` at its end, which
 * the next writer replaces. After an error, `abandon`.
 */
export class CacheFileWriter {
  readonly #files: FilePort;
  readonly #path: string;
  readonly #pageBytes: number;
  readonly #zeros: Uint8Array;
  readonly #zerosChecksum: Uint8Array;
  #pageCount = 0;
  /** Of the index on its way. */
  #header: HeaderDraft | undefined;
  #end = 0;
  #isFlushed = false;
  /** Undefined: it is written, or was given up. */
  #file: number | undefined;

  /** Effect: makes the file that will be renamed. Throws what the files do. */
  constructor(files: FilePort, path: string, pageBytes: number) {
    this.#files = files;
    this.#path = path;
    this.#pageBytes = pageBytes;
    this.#zeros = new Uint8Array(pageBytes);
    this.#zerosChecksum = checksumOf(this.#zeros);
    this.#file = files.openWrite(this.#partial);
  }

  /** Writes [pageBytes] as the next page. Returns its checksum. */
  append(page: Uint8Array): Uint8Array {
    this.#put(page, this.#placeOf(this.#pageCount));
    this.#pageCount += 1;
    return checksumOf(page);
  }

  /** Writes zeros over a page: nothing of it is left. Returns their checksum. */
  clear(page: number): Uint8Array {
    this.#put(this.#zeros, this.#placeOf(page));
    return this.#zerosChecksum;
  }

  /** An index of so many bytes will come, in place of any other. */
  beginIndex(indexBytes: number): void {
    this.#header = new HeaderDraft({ pageBytes: this.#pageBytes, pageCount: this.#pageCount, indexBytes });
    this.#end = this.#placeOf(this.#pageCount);
  }

  /** The next piece of the index. */
  appendIndex(piece: Uint8Array): void {
    this.#put(piece, this.#end);
    this.#end += piece.length;
    (this.#header as HeaderDraft).add(piece);
  }

  /** That was all of it. */
  endIndex(): void {
    this.#put((this.#header as HeaderDraft).end(), 0);
    // What an index of before had more.
    this.#files.truncate(this.#file as number, this.#end);
  }

  /** Resolves when what was written so far is on the disk. */
  async flush(): Promise<void> {
    if (this.#file === undefined) return await this.#files.syncFolderSoon(this.#path);
    this.#isFlushed = true;
    await this.#files.syncSoon(this.#file);
  }

  /** Effect: the file is there, under its own name; `flush` makes that last. Waits for the disk if `flush` did not. Returns the bytes of the file. */
  finish(): number {
    const file = this.#file as number;
    if (!this.#isFlushed) this.#files.sync(file);
    this.#file = undefined;
    this.#files.close(file);
    this.#files.rename(this.#partial, this.#path);
    return this.#end;
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

  #put(bytes: Uint8Array, position: number): void {
    this.#isFlushed = false;
    this.#files.write(this.#file as number, bytes, position);
  }
}
