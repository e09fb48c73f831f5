/** Finds the pages of a cache file that a prompt begins with. Pages that turned out damaged, or whose claims have ended, are not found. */
import type { PageRefusalReason } from '../cache-file-api.ts';
import { StoredClaims } from './stored-claims.ts';
import type { StoredClaim, StoredIndex, StoredPage } from './stored-index.ts';

/** Claims that come back with a page at most; more would cost more than they say. */
const MOST_CLAIMS = 64;

export const NO_REFUSALS: Readonly<Record<PageRefusalReason, number>> = Object.freeze({
  damaged: 0,
  truncated: 0,
  unreadable: 0,
});

export class StoredPages {
  readonly claims = new StoredClaims();
  /** Pages that were refused, by why. */
  readonly refusals: Record<PageRefusalReason, number> = { ...NO_REFUSALS };
  readonly #pages: readonly StoredPage[];
  /** Children of each page, ordered by their tokens; those of a salt's beginning are under the salt. */
  readonly #children = new Map<number | string, number[]>();
  /** Claims at or below each page; pages of a chain share one set. */
  readonly #covering: ReadonlySet<number>[];
  /** [pages] 1: its bytes were not what was written. */
  readonly #refused: Uint8Array;
  /** [pages] 1: the pins that end there were promised again, by the cache: the file has no say in them any more. */
  readonly #taken: Uint8Array;

  /** O(pages x log siblings). */
  constructor(index: StoredIndex, elapsedMs: number) {
    this.#pages = index.pages;
    for (const claim of index.claims) this.claims.add(claim, -elapsedMs);
    this.#refused = new Uint8Array(index.pages.length);
    this.#taken = new Uint8Array(index.pages.length);
    for (const [at, { parent, salt, tokens }] of index.pages.entries()) {
      if (tokens.length === 0) continue;
      const key = parent < 0 ? salt : parent;
      const siblings = this.#children.get(key);
      if (siblings) siblings.push(at);
      else this.#children.set(key, [at]);
    }
    for (const siblings of this.#children.values())
      siblings.sort((a, b) => compareTokens(this.#tokens(a), this.#tokens(b)));
    this.#covering = coveringClaims(index.pages);
  }

  get pageCount(): number {
    return this.#pages.length;
  }

  page(index: number): StoredPage {
    return this.#pages[index] as StoredPage;
  }

  /** Pages that a prompt can still get. O(pages). */
  livePages(nowMs: number): number {
    return this.#pages.reduce((count, _, index) => count + (this.isUsable(index, nowMs) ? 1 : 0), 0);
  }

  /**
   * Pages, one after the other from the first, whose tokens the prompt begins with; the last one may have only some of its own in common
   * with it. O(matched tokens + log siblings a page).
   */
  match(
    prompt: { readonly salt: string; readonly tokens: Uint32Array; readonly tokenCount: number },
    nowMs: number,
  ): number[] {
    const { salt, tokens, tokenCount } = prompt;
    const path: number[] = [];
    let position = 0;
    for (let key: number | string = salt; position < tokenCount; ) {
      const rest = tokens.subarray(position, tokenCount);
      const best = this.#bestChild(key, rest, nowMs);
      if (best === undefined) break;
      path.push(best.page);
      if (best.common < this.#tokens(best.page).length) break;
      position += best.common;
      key = best.page;
    }
    return path;
  }

  /** All tokens of a path. */
  tokensOf(path: readonly number[]): Uint32Array {
    const tokens = new Uint32Array(path.reduce((sum, page) => sum + this.#tokens(page).length, 0));
    let at = 0;
    for (const page of path) {
      tokens.set(this.#tokens(page), at);
      at += this.#tokens(page).length;
    }
    return tokens;
  }

  /** Live claims at a page and then below it, 64 at most, with the time they have left. A pin that is not promised again is a claim like others. */
  claimsOf(page: number, nowMs: number): StoredClaim[] {
    const found: StoredClaim[] = [];
    // Its own first: they are the ones that say something of this very prompt.
    for (const claim of new Set([...this.page(page).claims, ...(this.#covering[page] as ReadonlySet<number>)])) {
      if (found.length === MOST_CLAIMS) break;
      if (this.claims.isLive(claim, nowMs)) found.push(unpinned(this.claims.remaining(claim, nowMs)));
    }
    return found;
  }

  /** One of the claims that end at a page, with the time it has left, as another file should have it. */
  claimAt(page: number, claim: number, nowMs: number): StoredClaim {
    const remaining = this.claims.remaining(claim, nowMs);
    return this.#taken[page] === 1 ? unpinned(remaining) : remaining;
  }

  /** Live pins of the file, with the page that each ends at, in the order of the pages. */
  *pins(nowMs: number): Generator<{ readonly page: number; readonly claim: StoredClaim }> {
    for (const [page, { claims }] of this.#pages.entries()) {
      for (const claim of claims) {
        if (this.claims.at(claim).isPinned && this.claims.isLive(claim, nowMs)) {
          yield { page, claim: this.claims.remaining(claim, nowMs) };
        }
      }
    }
  }

  /** The pins that end at a page are the cache's now. */
  takePins(page: number): void {
    this.#taken[page] = 1;
  }

  /** Pages from the first one of the prompt to this one. */
  pathTo(page: number): number[] {
    const path: number[] = [];
    for (let at = page; at >= 0; at = this.page(at).parent) path.unshift(at);
    return path;
  }

  /** A page cannot be read as it was written: it is not found any more, nor is what continues it. */
  refuse(page: number, reason: PageRefusalReason): void {
    if (this.#refused[page] === 1) return;
    this.#refused[page] = 1;
    this.refusals[reason] += 1;
  }

  isTaken(page: number): boolean {
    return this.#taken[page] === 1;
  }

  /** Can a prompt that comes to the page still get it? */
  isUsable(page: number, nowMs: number): boolean {
    if (this.#refused[page] === 1) return false;
    for (const claim of this.#covering[page] as ReadonlySet<number>) if (this.claims.isLive(claim, nowMs)) return true;
    return false;
  }

  get refusedPages(): number {
    const { damaged, truncated, unreadable } = this.refusals;
    return damaged + truncated + unreadable;
  }

  /** The usable child with the longest common beginning with `rest`; undefined when there is none. */
  #bestChild(key: number | string, rest: Uint32Array, nowMs: number): { page: number; common: number } | undefined {
    const siblings = this.#children.get(key) ?? [];
    let low = 0;
    let high = siblings.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareTokens(this.#tokens(siblings[middle] as number), rest) < 0) low = middle + 1;
      else high = middle;
    }
    let best: { page: number; common: number } | undefined;
    // Ordered: the best are next to where it would stand. A sealed page stands before the full one that begins with its tokens.
    for (const at of [low - 1, low, low + 1]) {
      const page = siblings[at];
      if (page === undefined || !this.isUsable(page, nowMs)) continue;
      const common = commonTokens(this.#tokens(page), rest);
      if (common > (best?.common ?? 0)) best = { page, common };
    }
    return best;
  }

  #tokens(page: number): Uint32Array {
    return this.page(page).tokens;
  }
}

/** Claims at or below each page. A page with one child and no claim of its own shares the set of the child. */
function coveringClaims(pages: readonly StoredPage[]): ReadonlySet<number>[] {
  const childCount = new Uint32Array(pages.length);
  for (const { parent } of pages) if (parent >= 0) childCount[parent] = (childCount[parent] as number) + 1;
  const covering: Set<number>[] = pages.map(({ claims }) => new Set(claims));
  for (let index = pages.length - 1; index >= 0; index -= 1) {
    const parent = (pages[index] as StoredPage).parent;
    if (parent < 0) continue;
    const own = covering[index] as Set<number>;
    if (childCount[parent] === 1 && (pages[parent] as StoredPage).claims.length === 0) covering[parent] = own;
    else for (const claim of own) (covering[parent] as Set<number>).add(claim);
  }
  return covering;
}

/** A pin's priority is above all others; without it, it has the usual one. */
function unpinned(claim: StoredClaim): StoredClaim {
  return claim.isPinned ? { ...claim, isPinned: false, priority: 'normal' } : claim;
}

/** Lexicographic; a beginning comes before what continues it. Pure. */
function compareTokens(a: Uint32Array, b: Uint32Array): number {
  const common = commonTokens(a, b);
  if (common === a.length || common === b.length) return a.length - b.length;
  return (a[common] as number) - (b[common] as number);
}

function commonTokens(a: Uint32Array, b: Uint32Array): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (at < length && a[at] === b[at]) at += 1;
  return at;
}
