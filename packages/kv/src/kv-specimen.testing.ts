import { expect } from 'vitest';
import { acquire, cacheOf, publishAll, serve } from './cache.testing.ts';
import { checkKv } from './check-kv.ts';
import { INTERNALS } from './internals.ts';
import type { KvCache, KvLease } from './kv-cache.ts';
import type { KvParts } from './kv-parts.ts';
import type { LeaseView } from './lease-view.ts';
import { PageLease } from './page-lease.ts';
import type { PoolColumns } from './page-pool.ts';
import type { TokenColumns } from './page-tokens.ts';
import { partsOf } from './paged-kv-cache.ts';
import { RadixIndex } from './radix-index.ts';
import type { NodeColumns } from './radix-nodes.ts';
import type { RadixParts } from './radix-parts.ts';
import type { NodeId, PageId } from './units.ts';

/**
 * A cache with everything in it, to be broken. 19 pages of 4 tokens to allocate:
 *
 *     ""   -- [1: aaaa] --+-- [3: cc*]      evictable
 *                         +-- [2: bbbb]     held by `writer`, which also has page 4, private
 *     "y"  -- [5: aaaa]                     evictable
 *     "y"  bypassing: 6, private
 *     ""   -- [7 8: eeee ffff]              evictable
 */
export interface Specimen {
  readonly cache: KvCache;
  readonly parts: KvParts;
  readonly pool: PoolColumns;
  readonly radix: RadixParts;
  readonly nodes: NodeColumns;
  readonly tokens: TokenColumns;
  readonly writerLease: KvLease;
  readonly writer: LeaseView;
  readonly bypassing: LeaseView;
  readonly nodeOf: (page: number) => NodeId;
}

export function specimen(): Specimen {
  const cache = cacheOf({ pages: 20 });
  const first = publishAll(cache, 'aaaabbbb');
  serve(cache, 'aaaacc');
  const writer = publishAll(cache, 'aaaabbbbdd');
  first.release();
  serve(cache, 'aaaa', { salt: 'y' });
  const bypassing = acquire(cache, 'gg', { salt: 'y', mode: 'bypass' });
  serve(cache, 'eeeeffff');
  const parts = partsOf(cache);
  if (!(parts.index instanceof RadixIndex)) throw new Error('not a radix index');
  const radix = parts.index[INTERNALS]();
  return {
    cache,
    parts,
    pool: parts.pool[INTERNALS](),
    radix,
    nodes: radix.nodes[INTERNALS](),
    tokens: radix.tokens[INTERNALS](),
    writerLease: writer,
    writer: viewOf(writer),
    bypassing: viewOf(bypassing),
    nodeOf: (page) => {
      const found = parts.index.view().nodes.find(({ pages }) => pages.includes(page as PageId));
      if (found === undefined) throw new Error(`no node has page ${page}`);
      return found.node;
    },
  };
}

function viewOf(lease: KvLease): LeaseView {
  if (!(lease instanceof PageLease)) throw new Error('not a lease of this package');
  return lease[INTERNALS]();
}

/** Changes one thing and expects that `checkKv` says so. */
export function expectFault(breakIt: (broken: Specimen) => void, fault: string): void {
  const broken = specimen();
  expect(checkKv(broken.cache)).toEqual([]);
  breakIt(broken);
  expect(checkKv(broken.cache)).toContainEqual(fault);
}
