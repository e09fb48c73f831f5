import { BandOrders } from './band-orders.ts';
import type { CacheClock } from './cache-clock.ts';
import { ClaimColumns } from './claim-columns.ts';
import type { TermsBook } from './claim-terms.ts';
import { ClaimTimes } from './claim-times.ts';
import { EvictionMemory } from './eviction-memory.ts';
import type { EventLog } from './kv-events.ts';
import type { PagePool } from './page-pool.ts';
import { PageTokens } from './page-tokens.ts';
import { PathDigest } from './path-digest.ts';
import type { IndexOptions } from './prefix-index.ts';
import { RadixClaims } from './radix-claims.ts';
import { RadixLocks } from './radix-locks.ts';
import { RadixNodes } from './radix-nodes.ts';
import { RadixRemoval } from './radix-removal.ts';
import { SaltRoots } from './salt-roots.ts';
import { TimingWheel } from './timing-wheel.ts';

/** What a radix index is made of; its operations work on the same parts. */
export interface RadixParts {
  readonly pageSize: number;
  readonly pool: PagePool;
  readonly tokens: PageTokens;
  readonly nodes: RadixNodes;
  readonly roots: SaltRoots;
  readonly order: BandOrders;
  readonly locks: RadixLocks;
  readonly memory: EvictionMemory;
  readonly digest: PathDigest;
  readonly columns: ClaimColumns;
  readonly wheel: TimingWheel;
  readonly book: TermsBook;
  readonly clock: CacheClock;
  readonly times: ClaimTimes;
  readonly events: EventLog;
  readonly removal: RadixRemoval;
  readonly claims: RadixClaims;
}

export function createRadixParts({
  pool,
  pageSize,
  ghostEntries,
  clock,
  book,
  events,
  pinEnded,
}: IndexOptions): RadixParts {
  const tokens = new PageTokens(pool.pages, pageSize);
  const nodes = new RadixNodes(pool.pages, tokens);
  const roots = new SaltRoots(nodes);
  const order = new BandOrders(nodes);
  const locks = new RadixLocks(nodes, order, roots);
  const memory = new EvictionMemory(ghostEntries, tokens);
  const digest = new PathDigest(nodes, tokens, roots);
  // A claim a page, and some for running requests; more claims than that (many sessions at the same places) make the columns grow.
  const capacity = pool.pages + 64;
  const columns = new ClaimColumns(capacity);
  const wheel = new TimingWheel(clock.nowMs, capacity);
  const times = new ClaimTimes({ nodes, columns, wheel, clock });
  const base = {
    pageSize,
    pool,
    tokens,
    nodes,
    roots,
    order,
    locks,
    memory,
    digest,
    columns,
    wheel,
    times,
    book,
    clock,
    events,
  };
  const removal = new RadixRemoval(base);
  const discardLeaf = removal.removeLeaf.bind(removal);
  const claims = new RadixClaims({ ...base, discardLeaf, pinEnded });
  return { ...base, removal, claims };
}
