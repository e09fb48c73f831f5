/** What goes into a cache file: the entries in memory, and those of a file that nobody asked for since it was opened. */
import type { CacheEntry, ClaimView } from '@octavo/kv';
import type { StoredClaim } from './stored-index.ts';
import type { StoredPages } from './stored-pages.ts';
import type { PageToStore } from './write-cache-file.ts';

/** Where the bytes of a page to store are; in memory first. */
export interface PageSource {
  readonly memory?: { readonly page: number; readonly tokens: number };
  /** Page of the open file. */
  readonly file?: number;
}

/** Pages in the order of a file, parents before children, each with the place of its bytes. */
export class CacheExporter {
  readonly pages: PageToStore[] = [];
  readonly claims: StoredClaim[] = [];
  readonly sources: PageSource[] = [];
  readonly #claimIndex = new Map<string, number>();
  /** Pages by what comes before them and by their tokens; only a second source has to look. */
  readonly #known = new Map<string, number>();
  readonly #pageSize: number;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  /** Parents before children, as `KvCache.entries` yields them. */
  addMemory(entries: Iterable<CacheEntry>): void {
    const lastPage = new Map<number, number>();
    for (const entry of entries) {
      let parent = entry.parent === undefined ? -1 : (lastPage.get(entry.parent) as number);
      for (const [at, page] of entry.pages.entries()) {
        const tokens = entry.tokens.subarray(at * this.#pageSize, (at + 1) * this.#pageSize);
        const isLast = at === entry.pages.length - 1;
        const claims = isLast ? entry.claims.map((claim) => this.#claim(storedClaim(claim, entry.salt))) : [];
        const memory = { page, tokens: tokens.length };
        parent = this.#append({ parent, salt: entry.salt, tokens, claims }, { memory });
      }
      lastPage.set(entry.id, parent);
    }
  }

  /** What a file still has to offer; pages that are in memory too are taken from there. */
  addFile(stored: StoredPages, nowMs: number): void {
    for (const [index, page] of this.pages.entries()) this.#known.set(keyOf(page), index);
    const placed = new Map<number, number>();
    for (let page = 0; page < stored.pageCount; page += 1) {
      if (!stored.isUsable(page, nowMs)) continue;
      const { parent, salt, tokens, claims } = stored.page(page);
      const before = parent < 0 ? -1 : placed.get(parent);
      // What it continues was damaged: nobody could get there.
      if (before === undefined) continue;
      const live = claims
        .filter((claim) => stored.claims.isLive(claim, nowMs))
        .map((claim) => this.#claim(stored.claimAt(page, claim, nowMs)));
      placed.set(page, this.#add({ parent: before, salt, tokens, claims: live }, { file: page }));
    }
  }

  /** The page will not be in the file: its claims end at the last page before it that is, as when it is evicted. */
  leaveOut(page: number, isThere: (page: number) => boolean): void {
    const { parent, claims } = this.pages[page] as PageToStore;
    let end = parent;
    while (end >= 0 && !isThere(end)) end = (this.pages[end] as PageToStore).parent;
    if (end >= 0) this.#addClaims(end, claims);
  }

  #addClaims(page: number, claims: readonly number[]): void {
    const there = this.pages[page] as PageToStore;
    this.pages[page] = { ...there, claims: [...new Set([...there.claims, ...claims])] };
  }

  #add(page: PageToStore, source: PageSource): number {
    const key = keyOf(page);
    const known = this.#known.get(key);
    if (known !== undefined) {
      this.sources[known] = { ...this.sources[known], ...source };
      this.#addClaims(known, page.claims);
      return known;
    }
    const index = this.#append(page, source);
    this.#known.set(key, index);
    return index;
  }

  #append(page: PageToStore, source: PageSource): number {
    this.pages.push(page);
    this.sources.push(source);
    return this.pages.length - 1;
  }

  #claim(claim: StoredClaim): number {
    const key = JSON.stringify(claim);
    const known = this.#claimIndex.get(key);
    if (known !== undefined) return known;
    this.claims.push(claim);
    this.#claimIndex.set(key, this.claims.length - 1);
    return this.claims.length - 1;
  }
}

/** What comes before a page, and its tokens. */
function keyOf({ parent, salt, tokens }: PageToStore): string {
  return `${parent}/${parent < 0 ? salt : ''}/${tokens.join()}`;
}

function storedClaim(claim: ClaimView, salt: string): StoredClaim {
  return { ...claim, salt };
}
