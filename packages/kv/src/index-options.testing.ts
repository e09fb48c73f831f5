import { CacheClock } from './cache-clock.ts';
import { TermsBook } from './claim-terms.ts';
import { EventLog } from './kv-events.ts';
import type { PagePool } from './page-pool.ts';
import type { IndexOptions, PageRun } from './prefix-index.ts';

/** Options of an index that nobody claims anything in and nobody listens to. */
export function plainIndexOptions(pool: PagePool, pageSize: number, ghostEntries: number): IndexOptions {
  const clock = new CacheClock();
  const rest = { clock, book: new TermsBook(), events: new EventLog(0), pinEnded: () => {} };
  return { pool, pageSize, ghostEntries, ...rest };
}

/** A run of nobody's pages. */
export function plainRun(run: Pick<PageRun, 'tokens' | 'table' | 'firstPage' | 'endPage'>): PageRun {
  return { ...run, salt: '', terms: undefined, keepsOwn: false, storedTokens: 0 };
}
