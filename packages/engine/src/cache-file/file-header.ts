/**
 * The first 64 bytes of a cache file, which say where everything else is.
 *
 *     0   8  "OCTAVOKV"                     24  8  pages
 *     8   4  version                        32  8  bytes of the index, which is the rest of the file
 *     12  4  0                              40  8  0
 *     16  8  bytes of a page                48 16  checksum of the index and of bytes 0 to 47
 *
 *     | header | page 0 | page 1 | ... | index |
 */
import { createHash, type Hash } from 'node:crypto';
import { CHECKSUM_BYTES } from './page-records.ts';
import { type Checked, refused } from './stored-index.ts';

export const HEADER_BYTES = 64;
const MAGIC = 'OCTAVOKV';
/** Raise it whenever a file of before could be misread, or the same model computes other rows. */
const VERSION = 1;
const CHECKED_BYTES = 48;

export interface FileHeader {
  readonly pageBytes: number;
  readonly pageCount: number;
  readonly indexBytes: number;
}

/** First 128 bits of sha256. Tells damage, not intent: whoever writes files can write checksums. */
export function checksumOf(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return Uint8Array.from(hash.digest().subarray(0, CHECKSUM_BYTES));
}

export function isSameChecksum(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** The header of a file whose index comes in pieces. */
export class HeaderDraft {
  readonly #bytes = Buffer.alloc(HEADER_BYTES);
  readonly #hash: Hash = createHash('sha256');

  constructor(header: FileHeader) {
    const bytes = this.#bytes;
    bytes.write(MAGIC, 0, 'latin1');
    bytes.writeUInt32LE(VERSION, 8);
    bytes.writeBigUInt64LE(BigInt(header.pageBytes), 16);
    bytes.writeBigUInt64LE(BigInt(header.pageCount), 24);
    bytes.writeBigUInt64LE(BigInt(header.indexBytes), 32);
    this.#hash.update(bytes.subarray(0, CHECKED_BYTES));
  }

  /** The next piece of the index. O(bytes). */
  add(piece: Uint8Array): void {
    this.#hash.update(piece);
  }

  /** The header, once, when that was all. */
  end(): Uint8Array {
    this.#bytes.set(this.#hash.digest().subarray(0, CHECKSUM_BYTES), CHECKED_BYTES);
    return this.#bytes;
  }
}

/** Every size is held against the bytes that the file has; the checksum is `isIndexIntact`'s. Pure. */
export function decodeHeader(bytes: Uint8Array, fileBytes: number): Checked<FileHeader> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.toString('latin1', 0, Math.min(8, view.length)) !== MAGIC) {
    return refused('not-a-cache-file', 'The file is no cache file: it begins with something else.');
  }
  if (view.length < HEADER_BYTES) return refused('truncated', 'The file ends within its header: it is not used.');
  const version = view.readUInt32LE(8);
  if (version !== VERSION) {
    return refused('version', `The file is of version ${version}, and this is version ${VERSION}: it is not used.`);
  }
  const [pageBytes, pageCount, indexBytes] = [16, 24, 32].map((at) => Number(view.readBigUInt64LE(at))) as [
    number,
    number,
    number,
  ];
  // Each is at most the file's own size before they are multiplied, so that nothing is rounded.
  const isPlausible = pageBytes > 0 && pageBytes <= fileBytes && pageCount <= fileBytes && indexBytes <= fileBytes;
  if (!(isPlausible || pageCount === 0) || HEADER_BYTES + pageBytes * pageCount + indexBytes !== fileBytes) {
    return refused(
      'truncated',
      `The file has ${fileBytes} bytes, and its header speaks of ${pageCount} pages of ${pageBytes} and an index of ${indexBytes}: it is not used.`,
    );
  }
  return { ok: true, value: { pageBytes, pageCount, indexBytes } };
}

/** Whether header and index are as they were written. Pure. O(bytes of the index). */
export function isIndexIntact(header: Uint8Array, index: Uint8Array): boolean {
  return isSameChecksum(checksumOf(header.subarray(0, CHECKED_BYTES), index), header.subarray(CHECKED_BYTES));
}
