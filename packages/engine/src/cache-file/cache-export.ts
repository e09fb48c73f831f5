/**
 * One export on its way, a slice at a time, so that steps run in between. What is written is the cache as it was at the beginning, less what
 * made room or was ended meanwhile: pages are immutable while they are published, so a page that nobody wrote since is still the one that was
 * meant, and needs no lock.
 *
 *     pages --(all are written)--> flush --(they are on the disk)--> ends --(nothing that ended is left)--> done
 */
import type { KvCache } from '@octavo/kv';
import type { CacheExport } from '../cache-file-api.ts';
import { pageBytesOf, readPageBytes } from '../storage/page-bytes.ts';
import type { PageStore } from '../storage/page-store.ts';
import { CacheExporter, type PageSource } from './cache-exporter.ts';
import type { FilePort } from './file-port.ts';
import type { OpenCacheFile } from './read-cache-file.ts';
import { type ClaimSigns, type EndTarget, StoredClaims } from './stored-claims.ts';
import type { StoredClaim } from './stored-index.ts';
import type { StoredPages } from './stored-pages.ts';
import { CacheFileWriter, type IndexToStore, type PageToStore } from './write-cache-file.ts';

/** A page that ended after it was written: nobody finds it, and its bytes are zeros. */
const UNUSED: PageToStore = { parent: -1, salt: '', tokens: new Uint32Array(0), claims: [] };

export interface ExportParts {
  readonly kv: KvCache;
  readonly store: PageStore;
  readonly files: FilePort;
  readonly path: string;
  /** Bytes of pages that are written at a time; at least one page is. */
  readonly sliceBytes: number;
  /** Milliseconds since the export began. */
  readonly elapsedMs: () => number;
  /** Asked at the end. */
  readonly head: () => Omit<IndexToStore, 'claims'>;
  /** A file that is open, whose pages go along; `nowMs` since its opening. */
  readonly source?: { readonly file: OpenCacheFile; readonly stored: StoredPages; readonly nowMs: number } | undefined;
}

export class CacheExportTask {
  readonly #parts: ExportParts;
  readonly #writer: CacheFileWriter;
  readonly #exporter: CacheExporter;
  readonly #claims: StoredClaims;
  /** [pages of the exporter] where each was written; -1: nowhere. */
  readonly #places: Int32Array;
  /** Pages of the exporter that were written, in their order. */
  readonly #written: number[] = [];
  /** By place: its bytes are zeros. */
  readonly #cleared = new Set<number>();
  readonly #page: Uint8Array;
  readonly #pagesPerSlice: number;
  #next = 0;
  #state: 'pages' | 'flush' | 'ends' | 'done' = 'pages';

  /** Effect: takes down what is in the cache, and makes the file. O(tokens). Throws what the files do. */
  constructor(parts: ExportParts) {
    this.#parts = parts;
    const { kv, store, files, path, sliceBytes, source } = parts;
    const pageBytes = pageBytesOf(store.layout);
    this.#writer = new CacheFileWriter(files, path, pageBytes);
    this.#exporter = new CacheExporter(kv.pageSize);
    this.#exporter.addMemory(kv.entries());
    if (source) this.#exporter.addFile(source.stored, source.nowMs);
    this.#claims = new StoredClaims(this.#exporter.claims, 0);
    this.#places = new Int32Array(this.#exporter.pages.length).fill(-1);
    this.#page = new Uint8Array(pageBytes);
    this.#pagesPerSlice = Math.max(1, Math.floor(sliceBytes / pageBytes));
    store.watchWrites();
  }

  /** What is written should be flushed before the next slice, which waits for it otherwise. */
  get isFlushDue(): boolean {
    return this.#state === 'flush';
  }

  async flush(): Promise<void> {
    await this.#writer.flush();
  }

  /** Some more of it, between two steps. Undefined: it goes on. Throws what the files do; then `abandon`. O(bytes of a slice). */
  advance(): CacheExport | undefined {
    if (this.#state === 'done') throw new Error('it was given up');
    if (this.#state === 'pages') {
      const { length } = this.#exporter.pages;
      const end = Math.min(length, this.#next + this.#pagesPerSlice);
      for (; this.#next < end; this.#next += 1) this.#write(this.#next);
      if (end === length) this.#state = 'flush';
      return undefined;
    }
    this.#state = 'ends';
    return this.#clearEnded() ? this.#finish() : undefined;
  }

  /** A request does away with older versions and contexts. */
  observe(signs: ClaimSigns): void {
    this.#claims.observe(signs);
  }

  end(target: EndTarget): void {
    this.#claims.end(target);
  }

  /** Effect: nothing is left of it, unless it is done. */
  abandon(): void {
    if (this.#state === 'done') return;
    this.#state = 'done';
    this.#parts.store.unwatchWrites();
    this.#writer.abandon();
  }

  #write(index: number): void {
    const { parent } = this.#exporter.pages[index] as PageToStore;
    // Nobody could get to a page whose predecessor is not there.
    const isReachable = parent < 0 || (this.#places[parent] as number) >= 0;
    if (!isReachable || !this.#read(this.#exporter.sources[index] as PageSource)) {
      this.#exporter.leaveOut(index, (page) => (this.#places[page] as number) >= 0);
      return;
    }
    this.#writer.append(this.#page);
    this.#places[index] = this.#written.length;
    this.#written.push(index);
  }

  /** Effect: the bytes of a page are in `page`. False: they made room for others, or are damaged. */
  #read({ memory, file }: PageSource): boolean {
    const { store, source } = this.#parts;
    if (memory && store.isAsWatched(memory.page)) {
      readPageBytes(store, memory.page, memory.tokens, this.#page);
      return true;
    }
    if (file === undefined || !source) return false;
    const isIntact = source.file.readPage(file, this.#page);
    // Before it is copied: what is damaged must not get a checksum that fits.
    if (!isIntact) source.stored.refuse(file);
    return isIntact;
  }

  /** Pages whose claims have all ended since they were written must not be in the file. False: there may be more of them. */
  #clearEnded(): boolean {
    const { pages } = this.#exporter;
    const nowMs = this.#parts.elapsedMs();
    const isCovered = new Uint8Array(this.#written.length);
    let cleared = 0;
    for (let place = this.#written.length - 1; place >= 0; place -= 1) {
      const { parent, claims } = pages[this.#written[place] as number] as PageToStore;
      if (claims.some((claim) => this.#claims.isLive(claim, nowMs))) isCovered[place] = 1;
      if (isCovered[place] === 1) {
        if (parent >= 0) isCovered[this.#places[parent] as number] = 1;
      } else if (!this.#cleared.has(place)) {
        if (cleared === this.#pagesPerSlice) return false;
        this.#writer.clear(place);
        this.#cleared.add(place);
        cleared += 1;
      }
    }
    return true;
  }

  #finish(): CacheExport {
    const nowMs = this.#parts.elapsedMs();
    const claims: StoredClaim[] = [];
    const claimPlaces = new Map<number, number>();
    const placeOf = (claim: number) => {
      const known = claimPlaces.get(claim);
      if (known !== undefined) return known;
      claims.push(this.#claims.remaining(claim, nowMs));
      claimPlaces.set(claim, claims.length - 1);
      return claims.length - 1;
    };
    const pages = this.#written.map((index, place): PageToStore => {
      if (this.#cleared.has(place)) return UNUSED;
      const page = this.#exporter.pages[index] as PageToStore;
      const live = page.claims.filter((claim) => this.#claims.isLive(claim, nowMs)).map(placeOf);
      return { ...page, parent: page.parent < 0 ? -1 : (this.#places[page.parent] as number), claims: live };
    });
    const bytes = this.#writer.finish({ ...this.#parts.head(), claims }, pages);
    this.#state = 'done';
    this.#parts.store.unwatchWrites();
    return { pages: pages.length - this.#cleared.size, bytes };
  }
}
