import { checkClaims } from './check-claims.ts';
import { checkIndex } from './check-index.ts';
import { checkLeases } from './check-leases.ts';
import { checkPages } from './check-pages.ts';
import type { KvView } from './check-view.ts';
import { INTERNALS } from './internals.ts';
import type { KvCache } from './kv-cache.ts';
import { partsOf } from './paged-kv-cache.ts';

/**
 * Recounts the whole cache and says which laws do not hold: 1 to 8 as far as this package can see them, 12, 13 (published tokens agree
 * with their path; what bypasses the index is not in it), and 14 (claims). Empty when healthy. Each message names the law and the page, node or lease.
 *
 * Effect: none. Throws `KvError('FOREIGN_CACHE')`. Slow, O(pages + nodes + tokens): for tests and audits, not for every step.
 */
export function checkKv(cache: KvCache): string[] {
  const parts = partsOf(cache);
  const index = parts.index.view();
  const view: KvView = {
    pages: cache.pages,
    pageSize: cache.pageSize,
    pool: parts.pool[INTERNALS](),
    index,
    nodes: new Map(index.nodes.map((node) => [node.node, node])),
    leases: parts.leases.views(),
    nowMs: parts.clock.nowMs,
    terms: [...parts.book.all()],
    pinBudgetPages: cache.pinBudgetPages,
    pins: parts.pins.claims(),
  };
  return [...checkPages(view), ...checkIndex(view), ...checkLeases(view), ...checkClaims(view)];
}
