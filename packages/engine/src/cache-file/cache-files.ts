/** The cache file of an engine: writes it, opens it, and gives pages out of it to the cache when a prompt first begins with them. */
import type { ClaimOptions, KvCache } from '@octavo/kv';
import type { CacheExport, CacheFileStats, CacheImport } from '../cache-file-api.ts';
import { EngineError } from '../errors.ts';
import { pageBytesOf, readPageBytes, writePageBytes } from '../storage/page-bytes.ts';
import type { PageStore } from '../storage/page-store.ts';
import type { Openings } from '../warm/openings.ts';
import { CacheExporter, type PageSource } from './cache-exporter.ts';
import type { FilePort } from './file-port.ts';
import { type OpenCacheFile, openCacheFile } from './read-cache-file.ts';
import type { ClaimSigns, EndTarget } from './stored-claims.ts';
import type { CacheIdentity, StoredClaim } from './stored-index.ts';
import { StoredPages } from './stored-pages.ts';
import { writeCacheFile } from './write-cache-file.ts';

/** Openings that go along with a file. */
const MOST_OPENINGS = 200;

export interface CacheFilesParts {
  readonly kv: KvCache;
  readonly store: PageStore;
  readonly openings: Openings;
  readonly identity: CacheIdentity;
  readonly files: FilePort;
  /** Milliseconds that only go forward: the cache's own clock. */
  readonly clock: () => number;
  /** Milliseconds since 1970: what survives a restart. */
  readonly wallClock: () => number;
}

/** A file that is open for pages. */
interface Source {
  readonly file: OpenCacheFile;
  readonly stored: StoredPages;
  /** `clock` at the opening. */
  readonly openedMs: number;
}

export interface Prompt {
  readonly salt: string;
  readonly tokens: Uint32Array;
  readonly tokenCount: number;
}

export class CacheFiles {
  readonly #parts: CacheFilesParts;
  /** [pageBytes] of the page on its way. */
  readonly #page: Uint8Array;
  #source: Source | undefined;
  #loadedPages = 0;

  constructor(parts: CacheFilesParts) {
    this.#parts = parts;
    this.#page = new Uint8Array(pageBytesOf(parts.store.layout));
  }

  /**
   * Writes all entries, and what an open file still has to offer. Effect: `path` is the new file, or what it was. Only between steps; takes as
   * long as writing the bytes does. Throws CACHE_FILE_UNWRITABLE.
   */
  export(path: string): CacheExport {
    const { kv, store, openings, identity, files, wallClock } = this.#parts;
    const exporter = new CacheExporter(kv.pageSize);
    exporter.addMemory(kv.entries());
    const source = this.#source;
    if (source) {
      this.#refuseDamaged(source);
      exporter.addFile(source.stored, this.#since(source));
    }
    const { pages, claims, sources } = exporter;
    const readPage = (index: number, into: Uint8Array) => {
      const from = sources[index] as PageSource;
      if (from.kind === 'memory') readPageBytes(store, from.page, from.tokens, into);
      else source?.file.readPage(from.page, into);
    };
    const said = { identity, writtenMs: wallClock(), claims, openings: openings.list(MOST_OPENINGS) };
    const cache = { ...said, pages, pageBytes: this.#page.length, readPage };
    try {
      return { pages: pages.length, bytes: writeCacheFile(files, path, cache) };
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EngineError('CACHE_FILE_UNWRITABLE', `The cache file ${path} cannot be written: ${reason}.`, { cause });
    }
  }

  /** Opens a file for pages, in place of the one before. Reads its index; pages are read when a prompt begins with them. Never throws. */
  import(path: string): CacheImport {
    const { files, identity, openings, clock, wallClock } = this.#parts;
    const opened = openCacheFile(files, path, { identity, pageBytes: this.#page.length });
    if (!opened.ok) return { pages: 0, bytes: 0, refusal: opened.refusal };
    this.dispose();
    const { index, fileBytes } = opened.value;
    // A wall clock that was set back makes nothing younger than it was.
    const elapsedMs = Math.max(0, wallClock() - index.writtenMs);
    for (const { salt, ids, count } of index.openings) openings.observe(salt, ids, count);
    const stored = new StoredPages(index, elapsedMs);
    this.#source = { file: opened.value, stored, openedMs: clock() };
    return { pages: stored.livePages(0), bytes: fileBytes };
  }

  /**
   * Puts what the open file knows of a prompt into the cache, beyond what is there, as far as there is room: as if it had never left.
   * Returns the pages. Call it before the prompt is admitted. O(tokens, and the bytes of the pages).
   */
  load(prompt: Prompt): number {
    const source = this.#source;
    if (!source) return 0;
    const nowMs = this.#since(source);
    const path = source.stored.match(prompt, nowMs);
    const { kv } = this.#parts;
    const tokens = source.stored.tokensOf(path);
    if (path.length === 0 || kv.match(tokens, tokens.length, prompt.salt).matchedTokens >= tokens.length - 1) return 0;
    const claims = source.stored.claimsOf(path.at(-1) as number, nowMs);
    const whole = { salt: prompt.salt, tokens, tokenCount: tokens.length };
    const restored = kv.restore({ ...whole, claims: claims.filter(({ isPinned }) => !isPinned).map(claimOptions) });
    if (!restored.ok) return 0;
    const { restoration } = restored;
    const first = path.length - restoration.pages.length;
    let intact = 0;
    for (const page of restoration.pages) {
      const stored = path[first + intact] as number;
      if (!source.file.readPage(stored, this.#page)) {
        source.stored.refuse(stored);
        break;
      }
      writePageBytes(this.#parts.store, page, this.#page);
      intact += 1;
    }
    // Written, then published: nothing of the page that was damaged, or of what comes after it.
    if (intact === 0) restoration.abandon();
    else restoration.publish(intact);
    // After that: what is pinned must be published. A promise that the budget does not hold any more is not made again.
    for (const claim of claims) if (claim.isPinned && intact > 0) kv.pin({ ...whole, claim: claimOptions(claim) });
    this.#loadedPages += intact;
    return intact;
  }

  /** A request does away with older versions and contexts, in the file as in memory. */
  observe(signs: ClaimSigns): void {
    this.#source?.stored.claims.observe(signs);
  }

  /** As `KvCache.invalidate`, for what was not loaded yet. Returns how many claims ended. */
  end(target: EndTarget): number {
    return this.#source?.stored.claims.end(target) ?? 0;
  }

  stats(): CacheFileStats {
    const source = this.#source;
    return {
      filePages: source ? source.stored.livePages(this.#since(source)) : 0,
      loadedPages: this.#loadedPages,
      refusedPages: source?.stored.refusedPages ?? 0,
    };
  }

  /** Closes the open file; nothing more comes out of it. */
  dispose(): void {
    this.#source?.file.close();
    this.#source = undefined;
  }

  /** Before they are copied into another file: what is damaged must not get a checksum that fits. */
  #refuseDamaged({ file, stored }: Source): void {
    for (let page = 0; page < stored.pageCount; page += 1) {
      if (!file.readPage(page, this.#page)) stored.refuse(page);
    }
  }

  #since(source: Source): number {
    return this.#parts.clock() - source.openedMs;
  }
}

function claimOptions({ salt: _, isPinned: __, ...claim }: StoredClaim): ClaimOptions {
  return claim;
}
