/** Pages in memory on their way into a cache file, while the cache goes on: each is written when its claim is come to, behind those before it. */
import type { CacheWalk, KvCache, WalkedWay } from '@octavo/kv';
import { pageBytesOf, readPageBytes } from '../storage/page-bytes.ts';
import type { PageStore } from '../storage/page-store.ts';
import type { IndexDraft } from './index-draft.ts';
import type { SliceBudget } from './slice-budget.ts';
import type { StoredClaims } from './stored-claims.ts';
import type { CacheFileWriter } from './write-cache-file.ts';

/** Numbers that may name no claim, for one thing that is looked at. */
const IDS_PER_LOOK = 32;
/** Terms that are remembered, so that most claims that say the same are one: a power of two. */
const REMEMBERED = 4096;
/** Writing a page costs so many looks, besides its bytes. */
export const LOOKS_PER_PAGE = 8;

export interface ExportParts {
  readonly kv: KvCache;
  readonly store: PageStore;
  readonly writer: CacheFileWriter;
  readonly draft: IndexDraft;
  readonly claims: StoredClaims;
  /** Milliseconds since the export began. */
  readonly elapsedMs: () => number;
  readonly looks: SliceBudget;
  readonly bytes: SliceBudget;
  /** Of pages that came into the file. */
  readonly placed?: ((place: number, tokens: Uint32Array) => void) | undefined;
}

/** Yields when a slice is over. Nothing of the cache that it looked at is relied on after that. */
export function* exportMemory(parts: ExportParts): Generator<void, void> {
  const { kv, store, draft, claims, looks, elapsedMs } = parts;
  const walk = kv.walk();
  const pages = new MemoryPages(parts, walk);
  /** [REMEMBERED] terms, and the claim that says them. */
  const terms = new Float64Array(REMEMBERED);
  const known = new Int32Array(REMEMBERED);
  while (!walk.isOver) {
    let found = walk.next(IDS_PER_LOOK);
    if (looks.spend(1)) {
      yield;
      found = found && walk.again();
    }
    // What is looked at after a slice may have moved or ended, and pages may have left.
    while (
      found &&
      pages.write(
        found.salt,
        walk.way((page) => store.isAsWatched(page)),
      )
    ) {
      yield;
      found = walk.again();
    }
    if (!found) continue;
    const at = found.terms & (REMEMBERED - 1);
    const { salt, view } = found;
    const isTimed = view.ttlMs !== undefined || view.slidingTtlMs !== undefined;
    if (isTimed || terms[at] !== found.terms) {
      const claim = claims.add({ ...view, salt }, elapsedMs());
      if (!isTimed) [terms[at], known[at]] = [found.terms, claim];
      draft.addClaim(pages.end, claim);
    } else draft.addClaim(pages.end, known[at] as number);
  }
}

class MemoryPages {
  /** Place of the last page of the way that was written, or known, last. */
  end = -1;
  readonly #parts: ExportParts;
  readonly #walk: CacheWalk;
  /** [pages of the pool] where each was written; only those that nobody wrote since are still what they were. */
  readonly #places: Int32Array;
  readonly #page: Uint8Array;

  constructor(parts: ExportParts, walk: CacheWalk) {
    this.#parts = parts;
    this.#walk = walk;
    this.#places = new Int32Array(parts.store.layout.pages);
    this.#page = new Uint8Array(pageBytesOf(parts.store.layout));
  }

  /** Writes the pages of a way that are not in the file. True: the slice is over, there may be more of them. */
  write(salt: string, { known, pages }: WalkedWay): boolean {
    const { store, writer, draft, looks, bytes, placed } = this.#parts;
    this.end = known === 0 ? -1 : (this.#places[known] as number);
    for (const page of pages) {
      const tokens = this.#walk.tokensOf(page);
      readPageBytes(store, page, tokens.length, this.#page);
      const checksum = writer.append(this.#page);
      this.end = draft.append(salt, { parent: this.end, tokens, checksum });
      this.#places[page] = this.end;
      store.watch(page);
      placed?.(this.end, tokens);
      const isOver = looks.spend(LOOKS_PER_PAGE);
      if (bytes.spend(this.#page.length) || isOver) return true;
    }
    return false;
  }
}
