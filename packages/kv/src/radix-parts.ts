import { EvictionMemory } from './eviction-memory.ts';
import { EvictionOrder } from './eviction-order.ts';
import { Int32Recycler } from './int32-recycler.ts';
import type { PagePool } from './page-pool.ts';
import { PageTokens } from './page-tokens.ts';
import { PathDigest } from './path-digest.ts';
import type { IndexOptions } from './prefix-index.ts';
import { RadixLocks } from './radix-locks.ts';
import { RadixNodes } from './radix-nodes.ts';
import { SaltRoots } from './salt-roots.ts';

/** What a radix index is made of; its operations work on the same parts. */
export interface RadixParts {
  readonly pageSize: number;
  readonly pool: PagePool;
  readonly tokens: PageTokens;
  readonly nodes: RadixNodes;
  readonly roots: SaltRoots;
  readonly order: EvictionOrder;
  readonly locks: RadixLocks;
  readonly memory: EvictionMemory;
  readonly digest: PathDigest;
}

export function createRadixParts({ pool, pageSize, ghostEntries }: IndexOptions): RadixParts {
  const tokens = new PageTokens(pool.pages, pageSize);
  const nodes = new RadixNodes(pool.pages, tokens, new Int32Recycler());
  const roots = new SaltRoots(nodes);
  const order = new EvictionOrder(pool.pages);
  const locks = new RadixLocks(nodes, order, roots);
  const memory = new EvictionMemory(ghostEntries, tokens);
  return { pageSize, pool, tokens, nodes, roots, order, locks, memory, digest: new PathDigest(nodes, tokens, roots) };
}
