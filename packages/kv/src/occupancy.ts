import type { KvStats } from './kv-cache.ts';
import type { KvParts } from './kv-parts.ts';

/** Who has the pages, and what was counted in the index. O(1). */
export function occupancyOf(parts: KvParts): Omit<KvStats, 'queriedTokens' | 'hitTokens' | 'misses'> {
  const { pool, index, leases, book, pins } = parts;
  return {
    totalPages: pool.pages - 1,
    freePages: pool.freePages,
    privatePages: pool.count('private'),
    publishedPages: pool.count('published'),
    detachedPages: pool.count('detached'),
    evictablePages: index.evictablePages,
    pinnedPages: index.pinnedPages,
    heldPages: pool.heldPages,
    sharedPages: pool.sharedPages,
    leases: leases.count,
    nodes: index.nodeCount,
    claims: index.claimCount,
    sessions: book.sessionCount,
    tags: book.tagCount,
    pins: pins.count,
    evictedPages: index.evictedPages,
    removedPages: index.removedPages,
    endedClaims: index.endedClaims,
  };
}
