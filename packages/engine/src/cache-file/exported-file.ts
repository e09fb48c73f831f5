/** Pages of the open cache file on their way into another one: those that nobody asked for since it was opened. */
import { type ExportParts, LOOKS_PER_PAGE } from './exported-memory.ts';
import type { PlacedTokens } from './placed-tokens.ts';
import type { OpenCacheFile } from './read-cache-file.ts';
import type { StoredPages } from './stored-pages.ts';

export interface ExportSource {
  readonly file: OpenCacheFile;
  readonly stored: StoredPages;
  /** Since its opening. */
  readonly nowMs: () => number;
}

/** Yields when a slice is over. Pages that are in the new file already are not written again. */
export function* exportFile(parts: ExportParts, source: ExportSource, there: PlacedTokens): Generator<void, void> {
  const { draft, claims, looks, bytes, elapsedMs } = parts;
  const { stored } = source;
  const copy = new PageCopies(parts, source, there);
  /** [claims, 2] number of each in the new file, + 1: as it is, and where its pins are the cache's by now. */
  const numbers = new Int32Array(2 * stored.claims.count);
  for (let page = 0; page < stored.pageCount; page += 1) {
    const size = copy.take(page);
    const isOver = looks.spend(size > 0 ? LOOKS_PER_PAGE : 1);
    if (bytes.spend(size) || isOver) yield;
    const place = copy.endOf(page);
    for (const claim of place < 0 ? [] : stored.page(page).claims) {
      if (looks.spend(1)) yield;
      const nowMs = source.nowMs();
      if (!stored.claims.isLive(claim, nowMs)) continue;
      const at = 2 * claim + (stored.isTaken(page) ? 1 : 0);
      if (numbers[at] === 0) numbers[at] = claims.add(stored.claimAt(page, claim, nowMs), elapsedMs()) + 1;
      draft.addClaim(place, (numbers[at] as number) - 1);
    }
  }
}

class PageCopies {
  readonly #parts: ExportParts;
  readonly #source: ExportSource;
  readonly #there: PlacedTokens;
  readonly #page: Uint8Array;
  /** [pages of the file] place of the page, or of the last one before it that could be read; -1: there is none. */
  readonly #ends: Int32Array;
  /** [pages of the file] 1: it is in the new file itself. */
  readonly #isThere: Uint8Array;

  constructor(parts: ExportParts, source: ExportSource, there: PlacedTokens) {
    this.#parts = parts;
    this.#source = source;
    this.#there = there;
    this.#page = new Uint8Array(source.file.pageBytes);
    this.#ends = new Int32Array(source.stored.pageCount);
    this.#isThere = new Uint8Array(source.stored.pageCount);
  }

  /** Claims of a page that cannot be read end at the last page before it that can, as when it is evicted. */
  endOf(page: number): number {
    return this.#ends[page] as number;
  }

  /** Returns the bytes that were written. */
  take(page: number): number {
    const { stored, nowMs, file } = this.#source;
    const { writer, draft } = this.#parts;
    const { parent, salt, tokens } = stored.page(page);
    const before = parent < 0 ? -1 : (this.#ends[parent] as number);
    this.#ends[page] = before;
    const isReachable = parent < 0 || this.#isThere[parent] === 1;
    if (!isReachable || !stored.isUsable(page, nowMs())) return 0;
    const known = this.#there.find(before, salt, tokens);
    let place = known;
    if (place === undefined) {
      // Before it is copied: what is damaged must not get a checksum that fits.
      const read = file.readPage(page, this.#page);
      if (read !== 'intact') {
        stored.refuse(page, read);
        return 0;
      }
      const checksum = writer.append(this.#page);
      place = draft.append(salt, { parent: before, tokens, checksum });
      this.#there.add(place, tokens);
    }
    this.#ends[page] = place;
    this.#isThere[page] = 1;
    return known === undefined ? this.#page.length : 0;
  }
}
