import { GhostTable } from './ghost-table.ts';
import type { MissReason } from './kv-cache.ts';
import type { PageTokens } from './page-tokens.ts';
import { TokenDigest } from './token-digest.ts';
import type { PageId } from './units.ts';

/** Why a page left, as far as it explains misses: the note of its digests is the place here + 1. */
const GHOST_REASONS = ['evicted', 'expired', 'invalidated'] as const satisfies readonly MissReason[];
export type GhostReason = (typeof GHOST_REASONS)[number];

/**
 * Explains misses. Of every page that left two digests of (salt, leading tokens) are remembered: up to its first token, and up to its last.
 * The first tells that the token after a full page was here once; the second, that a page was here of which only some rows match
 * another page now (its first token says nothing then: the other page has it too). Bounded; forgotten means cold.
 */
export class EvictionMemory {
  readonly #ghosts: GhostTable;
  readonly #tokens: PageTokens;
  readonly #digest = new TokenDigest();

  /** @param entries evicted pages that are remembered. */
  constructor(entries: number, tokens: PageTokens) {
    this.#ghosts = new GhostTable(entries * 2);
    this.#tokens = tokens;
  }

  /** The page is about to go; `before` is the digest before its first token. O(1). */
  remember(page: PageId, before: Digest, reason: GhostReason): void {
    const note = GHOST_REASONS.indexOf(reason) + 1;
    this.#startOf(page, before);
    this.#ghosts.add(this.#digest.high, this.#digest.low, note);
    this.#ghosts.add(this.#tokens.digestHigh(page), this.#tokens.digestLow(page), note);
  }

  /** A page is here (again): its first token is no longer missing. `before` is the digest before it. O(1). */
  forgetStart(page: PageId, before: Digest): void {
    this.#startOf(page, before);
    this.#ghosts.remove(this.#digest.high, this.#digest.low);
  }

  /** A page is here (again), whole. `after` is the digest up to its last token. O(1). */
  forgetWhole(after: Digest): void {
    this.#ghosts.remove(after.high, after.low);
  }

  /**
   * Why the token at `matched` is missing. `before` is the digest of [0, range.from).
   * Pure as seen from outside, O(pageSize).
   */
  explain(tokens: Uint32Array, range: MissRange, before: Digest): GhostReason | 'cold' {
    const digest = this.#digest;
    digest.resume(before.high, before.low);
    if (range.matched === range.from) {
      digest.add(tokens, range.from, range.from + 1);
      return this.#noted(digest);
    }
    digest.add(tokens, range.from, range.matched);
    const end = Math.min(range.tokenCount, range.from + this.#tokens.pageSize);
    for (let at = range.matched; at < end; at++) {
      digest.add(tokens, at, at + 1);
      if (this.#ghosts.has(digest.high, digest.low)) return this.#noted(digest);
    }
    return 'cold';
  }

  #noted(digest: Digest): GhostReason | 'cold' {
    return GHOST_REASONS[this.#ghosts.noteOf(digest.high, digest.low) - 1] ?? 'cold';
  }

  #startOf(page: PageId, before: Digest): void {
    const first = page * this.#tokens.pageSize;
    this.#digest.resume(before.high, before.low);
    this.#digest.add(this.#tokens.all, first, first + 1);
  }
}

/** Two halves of a digest. */
interface Digest {
  readonly high: number;
  readonly low: number;
}

/** Half-open ranges of one prompt: [from, matched) are rows that matched inside a page, [matched, tokenCount) is missing. */
export interface MissRange {
  readonly from: number;
  readonly matched: number;
  readonly tokenCount: number;
}
