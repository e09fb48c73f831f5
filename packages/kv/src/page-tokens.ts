import { INTERNALS } from './internals.ts';
import type { PageId } from './units.ts';

/** The raw columns, for the checker. */
export interface TokenColumns {
  /** [pages, pageSize] */
  readonly tokens: Uint32Array;
  /** [pages] tokens of a published page: pageSize, or fewer when it is sealed */
  readonly tokenCounts: Int32Array;
  /** [pages] digest of (salt, all tokens up to the end of the page), in two halves */
  readonly digestHigh: Int32Array;
  readonly digestLow: Int32Array;
}

/** The real tokens of every published page, in one array, and the digest of the way to it. */
export class PageTokens {
  readonly pageSize: number;
  readonly #tokens: Uint32Array;
  readonly #tokenCounts: Int32Array;
  readonly #digestHigh: Int32Array;
  readonly #digestLow: Int32Array;

  constructor(pages: number, pageSize: number) {
    this.pageSize = pageSize;
    this.#tokens = new Uint32Array(pages * pageSize);
    this.#tokenCounts = new Int32Array(pages);
    this.#digestHigh = new Int32Array(pages);
    this.#digestLow = new Int32Array(pages);
  }

  /** Copies `count` tokens from `tokens[from]` on into the page. O(count). */
  store(page: PageId, tokens: Uint32Array, from: number, count: number): void {
    const base = page * this.pageSize;
    for (let at = 0; at < count; at++) this.#tokens[base + at] = tokens[from + at] as number;
    this.#tokenCounts[page] = count;
  }

  setDigest(page: PageId, high: number, low: number): void {
    this.#digestHigh[page] = high;
    this.#digestLow[page] = low;
  }

  digestHigh(page: PageId): number {
    return this.#digestHigh[page] as number;
  }

  digestLow(page: PageId): number {
    return this.#digestLow[page] as number;
  }

  /** Tokens of a published page. Pure. */
  count(page: PageId): number {
    return this.#tokenCounts[page] as number;
  }

  /** All tokens; those of a page start at page x pageSize. A view to compare with, never to write. */
  get all(): Uint32Array {
    return this.#tokens;
  }

  /** Leading tokens that the page and `tokens[from..from + limit)` have in common. Pure, O(result). */
  common(page: PageId, tokens: Uint32Array, from: number, limit: number): number {
    const own = this.#tokens;
    const base = page * this.pageSize;
    const end = Math.min(limit, this.#tokenCounts[page] as number);
    let at = 0;
    while (at < end && own[base + at] === tokens[from + at]) at++;
    return at;
  }

  /** Is the page, which has its first `common` tokens in common with others, below those that go on with `token`? Pure, O(1). */
  isBelow(page: PageId, common: number, token: number): boolean {
    if (common === this.#tokenCounts[page]) return true;
    return (this.#tokens[page * this.pageSize + common] as number) < token;
  }

  /** Order of the page against `tokens[from..from + count)`: by tokens, a prefix first; 0 when equal. Pure, O(common tokens). */
  compare(page: PageId, tokens: Uint32Array, from: number, count: number): number {
    const at = this.common(page, tokens, from, count);
    const own = this.#tokenCounts[page] as number;
    if (at === own || at === count) return own - count;
    return (this.#tokens[page * this.pageSize + at] as number) - (tokens[from + at] as number);
  }

  /** The raw columns. Not for callers: see `internals.ts`. */
  [INTERNALS](): TokenColumns {
    return {
      tokens: this.#tokens,
      tokenCounts: this.#tokenCounts,
      digestHigh: this.#digestHigh,
      digestLow: this.#digestLow,
    };
  }
}
