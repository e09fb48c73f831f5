/** The cache file of an engine: writes it, opens it, and gives pages out of it to the cache when a prompt first begins with them. */
import type { ClaimOptions, KvCache } from '@octavo/kv';
import type { CacheFileStats, CacheImport } from '../cache-file-api.ts';
import { NO_TOKENS, type TokenRange } from '../cached-from.ts';
import { pageBytesOf, writePageBytes } from '../storage/page-bytes.ts';
import type { PageStore } from '../storage/page-store.ts';
import type { Openings } from '../warm/openings.ts';
import { CacheExportTask } from './cache-export.ts';
import type { FilePort } from './file-port.ts';
import { ImportPins } from './import-pins.ts';
import { type OpenCacheFile, openCacheFile } from './read-cache-file.ts';
import type { ClaimSigns, EndTarget } from './stored-claims.ts';
import { type CacheIdentity, refused, type StoredClaim } from './stored-index.ts';
import { NO_REFUSALS, StoredPages } from './stored-pages.ts';

/** Bytes of pages that are written or read between two steps: a few milliseconds. */
const SLICE_BYTES = 2 ** 20;

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
  /** Bytes of pages that are written or read between two steps, about. Default 1 MiB: a few milliseconds. */
  readonly sliceBytes?: number;
}

/** Of an engine without a cache. */
export const NO_FILE_STATS: CacheFileStats = Object.freeze({
  filePages: 0,
  loadedPages: 0,
  refusedPages: 0,
  refusals: NO_REFUSALS,
});

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

/** Tokens that came out of a file, and their pages. */
type Loaded = TokenRange & { readonly pages: number };

const NOTHING: Loaded = Object.freeze({ ...NO_TOKENS, pages: 0 });

/** A file that was opened, or why not. The pins of one that was hold when `pins` is done. */
export type CacheOpening = Omit<CacheImport, 'pins'> & { readonly pins?: ImportPins };

export class CacheFiles {
  readonly #parts: CacheFilesParts;
  /** [pageBytes] of the page on its way. */
  readonly #page: Uint8Array;
  #source: Source | undefined;
  #export: CacheExportTask | undefined;
  #loadedPages = 0;

  constructor(parts: CacheFilesParts) {
    this.#parts = parts;
    this.#page = new Uint8Array(pageBytesOf(parts.store.layout));
  }

  /**
   * Begins to write all entries, and what an open file still has to offer; see `CacheExportTask`. Only between steps, and one at a time. Call
   * `advance` of what it returns until that is done or throws, and `ended` then. Throws what the files do, as do its methods.
   */
  export(path: string): CacheExportTask {
    const { kv, store, openings, identity, files, clock, wallClock, sliceBytes = SLICE_BYTES } = this.#parts;
    const begunMs = clock();
    const source = this.#source;
    const task = new CacheExportTask({
      ...{ kv, store, files, path, sliceBytes },
      elapsedMs: () => clock() - begunMs,
      head: () => ({ identity, writtenMs: wallClock(), openings: openings.list(MOST_OPENINGS) }),
      source: source && { ...source, nowMs: () => this.#since(source) },
    });
    this.#export = task;
    return task;
  }

  /** Nothing that ends from now on concerns the export any more. Effect: gives up what is not done. */
  ended(task: CacheExportTask): void {
    task.abandon();
    if (this.#export === task) this.#export = undefined;
  }

  /**
   * Opens a file for pages, in place of the one before. Reads its index; pages are read when a prompt begins with them, those of pins in `pins`,
   * which has to be advanced between steps until that is all. Never throws.
   */
  import(path: string): CacheOpening {
    const { files, kv, identity, openings, clock, wallClock, sliceBytes = SLICE_BYTES } = this.#parts;
    const opened = openCacheFile(files, path, { identity, pageBytes: this.#page.length });
    if (!opened.ok) return { pages: 0, bytes: 0, refusal: opened.refusal };
    const { index, fileBytes } = opened.value;
    const problem = claimProblem(kv, index.claims);
    if (problem !== undefined) {
      opened.value.close();
      const { refusal } = refused('damaged', `A claim of the file is none (${problem}): its pages are not used.`);
      return { pages: 0, bytes: 0, refusal };
    }
    this.dispose();
    // A wall clock that was set back makes nothing younger than it was.
    const elapsedMs = Math.max(0, wallClock() - index.writtenMs);
    for (const { salt, ids, count } of index.openings) openings.observe(salt, ids, count);
    const stored = new StoredPages(index, elapsedMs);
    const source = { file: opened.value, stored, openedMs: clock() };
    this.#source = source;
    const load = (way: readonly number[], salt: string) => this.#load(source, way, salt).pages;
    const pins = new ImportPins({ kv, stored, slicePages: sliceBytes / this.#page.length, load }, 0);
    return { pages: stored.livePages(0), bytes: fileBytes, pins };
  }

  /**
   * Puts what the open file knows of a prompt into the cache, beyond what is there, as far as there is room: as if it had never left.
   * Returns the tokens that came. Call it before the prompt is admitted. O(tokens, and the bytes of the pages).
   */
  load(prompt: Prompt): TokenRange {
    const source = this.#source;
    if (!source) return NO_TOKENS;
    const path = source.stored.match(prompt, this.#since(source));
    const tokens = source.stored.tokensOf(path);
    const { kv } = this.#parts;
    if (path.length === 0 || kv.match(tokens, tokens.length, prompt.salt).matchedTokens >= tokens.length - 1) {
      return NO_TOKENS;
    }
    return this.#load(source, path, prompt.salt);
  }

  #load(source: Source, path: readonly number[], salt: string): Loaded {
    const { kv, store } = this.#parts;
    const tokens = source.stored.tokensOf(path);
    const claims = source.stored.claimsOf(path.at(-1) as number, this.#since(source)).map(claimOptions);
    const restored = kv.restore({ salt, tokens, tokenCount: tokens.length, claims });
    if (!restored.ok) return NOTHING;
    const { restoration } = restored;
    const first = path.length - restoration.pages.length;
    let intact = 0;
    for (const page of restoration.pages) {
      const stored = path[first + intact] as number;
      const read = source.file.readPage(stored, this.#page);
      if (read !== 'intact') {
        source.stored.refuse(stored, read);
        break;
      }
      writePageBytes(store, page, this.#page);
      intact += 1;
    }
    // Written, then published: nothing of the page that was damaged, or of what comes after it.
    if (intact === 0) restoration.abandon();
    else restoration.publish(intact);
    this.#loadedPages += intact;
    const from = restoration.presentTokens;
    return { from, to: intact === 0 ? from : Math.min(tokens.length, from + intact * kv.pageSize), pages: intact };
  }

  /** A request does away with older versions and contexts, in the file as in memory. */
  observe(signs: ClaimSigns): void {
    this.#source?.stored.claims.observe(signs);
    this.#export?.observe(signs);
  }

  /** As `KvCache.invalidate`, for what was not loaded yet. Returns how many claims ended. */
  end(target: EndTarget): number {
    this.#export?.end(target);
    return this.#source?.stored.claims.end(target) ?? 0;
  }

  stats(): CacheFileStats {
    const source = this.#source;
    return {
      filePages: source ? source.stored.livePages(this.#since(source)) : 0,
      loadedPages: this.#loadedPages,
      refusedPages: source?.stored.refusedPages ?? 0,
      refusals: { ...NO_REFUSALS, ...source?.stored.refusals },
    };
  }

  /** Closes the open file; nothing more comes out of it. An export that is not done is given up. */
  dispose(): void {
    if (this.#export) this.ended(this.#export);
    this.#source?.file.close();
    this.#source = undefined;
  }

  #since(source: Source): number {
    return this.#parts.clock() - source.openedMs;
  }
}

function claimOptions({ salt: _, isPinned: __, ...claim }: StoredClaim): ClaimOptions {
  return claim;
}

/** What a claim of a file says that no request could have said; undefined when there is nothing. */
function claimProblem(kv: KvCache, claims: readonly StoredClaim[]): string | undefined {
  try {
    for (const claim of claims) kv.assertLifetime({ claim: claimOptions(claim) });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
