import { type KvParts, noRoom, roomOf } from './kv-parts.ts';
import type { ClaimOptions, Restoration, RestoreRequest, RestoreResult } from './lifetimes.ts';
import { PageLease } from './page-lease.ts';
import { pagesFor } from './units.ts';

/** Pages of a path that was in a cache before, private until their bytes are there. */
class PathRestoration implements Restoration {
  readonly presentTokens: number;
  readonly pages: readonly number[];
  readonly #parts: KvParts;
  readonly #lease: PageLease;
  readonly #request: RestoreRequest;
  readonly #claims: readonly LastingClaim[];

  constructor(parts: KvParts, plan: RestorePlan) {
    const { lease, presentTokens, matchedPages, request, claims } = plan;
    this.#parts = parts;
    this.#lease = lease;
    this.#request = request;
    this.#claims = claims;
    this.presentTokens = presentTokens;
    this.pages = [...lease.pageTable.subarray(matchedPages, lease.pageCount)];
  }

  publish(pages = this.pages.length): void {
    const { pageSize } = this.#parts;
    const { tokens, tokenCount, salt } = this.#request;
    const reach = Math.min(this.presentTokens + pages * pageSize, this.#lease.pageCount * pageSize);
    const written = Math.min(tokenCount, reach);
    this.#lease.seal(tokens, written);
    const [, ...others] = this.#claims.filter(({ isPinned }) => isPinned !== true);
    for (const claim of others) this.#lease.claimAlso(claim);
    for (const { isPinned, ...claim } of this.#claims) {
      if (isPinned === true && written > 0)
        this.#parts.pins.pin(this.#parts, { tokens, tokenCount: written, salt, claim });
    }
    this.#lease.release();
  }

  abandon(): void {
    this.#lease.abandon();
    this.#lease.release();
  }
}

type LastingClaim = ClaimOptions & { readonly isPinned?: boolean };

interface RestorePlan {
  readonly lease: PageLease;
  readonly presentTokens: number;
  readonly matchedPages: number;
  readonly request: RestoreRequest;
  readonly claims: readonly LastingClaim[];
}

/** See `KvCache.restore`. */
export function restorePath(parts: KvParts, request: RestoreRequest): RestoreResult {
  const { index, pageSize } = parts;
  const { tokens, tokenCount, salt, claims } = request;
  const found = { ...index.lockWhole(tokens, tokenCount, salt) };
  index.raiseLock(found.lockNode, found.endNode);
  const foundTokens = found.matchedPages * pageSize;
  // A partly filled page is there when the one that its rows are in goes on with its tokens, however it goes on after them.
  const isPresent = foundTokens + found.sourceTokens === tokenCount;
  const needed = isPresent ? 0 : pagesFor(tokenCount, pageSize) - found.matchedPages;
  const available = roomOf(parts);
  if (needed > available) {
    index.unlock(found.endNode);
    return noRoom(needed, available);
  }
  const first = claims.find(({ isPinned }) => isPinned !== true) ?? {};
  const { ttlMs = Number.POSITIVE_INFINITY, ...said } = first;
  const lease = new PageLease(parts, {
    mode: 'share',
    salt,
    endNode: found.endNode,
    lockNode: found.endNode,
    matchedTokens: foundTokens,
    missReason: 'none',
    lifetime: {
      terms: parts.book.intern({ salt, ...said, isPinned: false }),
      ttlMs,
      storeTokens: Number.POSITIVE_INFINITY,
      ranges: [],
    },
    expectedPages: pagesFor(tokenCount, pageSize) + 1,
  });
  lease.fill(found.matchedPages, needed);
  const presentTokens = isPresent ? tokenCount : foundTokens;
  const plan: RestorePlan = { lease, presentTokens, matchedPages: found.matchedPages, request, claims };
  return { ok: true, restoration: new PathRestoration(parts, plan) };
}
