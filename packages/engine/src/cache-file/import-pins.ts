/** Pins of a cache file hold from its opening on: their pages are read then, a few paths at a time, as far as the budget goes. */
import type { KvCache, PinResult } from '@octavo/kv';
import type { StoredClaim } from './stored-index.ts';
import type { StoredPages } from './stored-pages.ts';

export interface ImportPinsParts {
  readonly kv: KvCache;
  readonly stored: StoredPages;
  /** Pages that are read at a time; a path is not divided. */
  readonly slicePages: number;
  /** Puts pages of the file, one after the other from the first, into the cache. Returns how many it read. */
  readonly load: (path: readonly number[], salt: string) => number;
}

/** A pin of the file, and the page that it ends at. */
interface FilePin {
  readonly page: number;
  readonly claim: StoredClaim;
}

export class ImportPins {
  readonly results: PinResult[] = [];
  readonly #parts: ImportPinsParts;
  readonly #pins: readonly FilePin[];
  /** Pages of the file that are pinned by now. */
  readonly #pinned = new Set<number>();
  #next = 0;

  constructor(parts: ImportPinsParts, nowMs: number) {
    this.#parts = parts;
    this.#pins = [...parts.stored.pins(nowMs)];
  }

  /** Some more of them, between two steps. True: that was all. */
  advance(): boolean {
    for (let read = 0; this.#next < this.#pins.length && read < this.#parts.slicePages; this.#next += 1) {
      const { page, claim } = this.#pins[this.#next] as FilePin;
      read += this.#pin(page, claim);
    }
    return this.#next === this.#pins.length;
  }

  /** Returns the pages that were read. */
  #pin(page: number, { salt, isPinned: _, priority: __, ...claim }: StoredClaim): number {
    const { kv, stored } = this.#parts;
    const path = stored.pathTo(page);
    const budget = kv.pinBudgetPages - kv.stats().pinnedPages;
    const shared = path.filter((at) => this.#pinned.has(at)).length;
    // What the budget does not hold is not read.
    const wanted = path.slice(0, shared + Math.max(0, budget));
    const read = wanted.length === 0 ? 0 : this.#parts.load(wanted, salt);
    const tokens = stored.tokensOf(path);
    const result = this.#explained(kv.pin({ tokens, tokenCount: tokens.length, salt, claim }), {
      isCut: wanted.length < path.length,
      neededPages: path.length - shared,
    });
    this.results.push(result);
    if (result.outcome === 'refused') return read;
    stored.takePins(page);
    const pinnedPages = Math.ceil(result.tokens / kv.pageSize);
    for (const at of path.slice(0, pinnedPages)) this.#pinned.add(at);
    return read;
  }

  /** Pages that were not read since the budget would not hold them are missing for that reason. */
  #explained(result: PinResult, { isCut, neededPages }: { isCut: boolean; neededPages: number }): PinResult {
    if (!isCut || result.outcome === 'granted' || result.reason === 'budget') return result;
    if (result.outcome === 'clipped') return { ...result, reason: 'budget' };
    return { ...result, reason: 'budget', neededPages };
  }
}
