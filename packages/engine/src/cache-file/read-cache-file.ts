/** Opens a cache file: its index is read and proved, its pages are read one by one when somebody wants them. */
import type { PageRefusalReason } from '../cache-file-api.ts';
import { checksumOf, decodeHeader, HEADER_BYTES, isIndexIntact, isSameChecksum } from './file-header.ts';
import type { FilePort } from './file-port.ts';
import { decodeIndex } from './index-codec.ts';
import {
  type CacheIdentity,
  type Checked,
  identityMismatch,
  refused,
  type StoredIndex,
  type StoredPage,
} from './stored-index.ts';

export interface OpenCacheFile {
  readonly index: StoredIndex;
  readonly pageBytes: number;
  readonly fileBytes: number;
  /** Effect: the bytes of a page are in `into` [pageBytes], when it is `intact`; they mean nothing otherwise. Never throws. */
  readonly readPage: (index: number, into: Uint8Array) => 'intact' | PageRefusalReason;
  readonly close: () => void;
}

/** What the file's pages have to fit; without it any file can be looked at. */
export interface WantedPages {
  readonly identity: CacheIdentity;
  readonly pageBytes: number;
}

/**
 * A file that was not written whole, or for other pages than `wanted`, is refused with the reason. Nothing is allocated that the size of
 * the file does not justify. Never throws. Reads the header and the index.
 */
export function openCacheFile(files: FilePort, path: string, wanted?: WantedPages): Checked<OpenCacheFile> {
  let file: number;
  try {
    file = files.openRead(path);
  } catch (error) {
    return refused('unreadable', `The file cannot be opened (${codeOf(error)}): nothing is taken from it.`);
  }
  let isKept = false;
  try {
    const opened = readOpened(files, file, wanted);
    isKept = opened.ok;
    return opened;
  } catch (error) {
    return refused('unreadable', `The file cannot be read (${codeOf(error)}): nothing is taken from it.`);
  } finally {
    if (!isKept) files.close(file);
  }
}

function readOpened(files: FilePort, file: number, wanted: WantedPages | undefined): Checked<OpenCacheFile> {
  const fileBytes = files.bytesOf(file);
  const head = new Uint8Array(Math.min(HEADER_BYTES, fileBytes));
  if (files.read(file, head, 0) < head.length) return shrunk();
  const header = decodeHeader(head, fileBytes);
  if (!header.ok) return header;
  const { pageBytes, pageCount, indexBytes } = header.value;
  const bytes = new Uint8Array(indexBytes);
  if (files.read(file, bytes, HEADER_BYTES + pageCount * pageBytes) < indexBytes) return shrunk();
  if (!isIndexIntact(head, bytes)) {
    return refused('damaged', 'The checksum of header and index does not fit: the pages of the file are not used.');
  }
  const decoded = decodeIndex(bytes);
  if (!decoded.ok) return decoded;
  const index = decoded.value;
  if (index.pages.length !== pageCount) {
    return refused(
      'damaged',
      `The header speaks of ${pageCount} pages, the index of ${index.pages.length}: none is used.`,
    );
  }
  const refusal = wanted && identityMismatch(index.identity, wanted.identity);
  if (refusal) return { ok: false, refusal };
  if (wanted && pageCount > 0 && pageBytes !== wanted.pageBytes) {
    return refused(
      'page-format',
      `Pages of the file have ${pageBytes} bytes, the engine's ${wanted.pageBytes}: none is used.`,
    );
  }
  const readPage = (at: number, into: Uint8Array) => {
    const { checksum } = index.pages[at] as StoredPage;
    try {
      const count = files.read(file, into, HEADER_BYTES + at * pageBytes);
      if (count < pageBytes) return 'truncated';
      return isSameChecksum(checksumOf(into), checksum) ? 'intact' : 'damaged';
    } catch {
      // A disk that cannot be read is no reason to fail what can be computed.
      return 'unreadable';
    }
  };
  return { ok: true, value: { index, pageBytes, fileBytes, readPage, close: () => files.close(file) } };
}

function shrunk(): ReturnType<typeof refused> {
  return refused('truncated', 'The file became shorter while it was read: it is not used.');
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException)?.code ?? String(error);
}
