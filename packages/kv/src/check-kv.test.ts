import { describe, expect, it } from 'vitest';
import { acquire, cacheOf, INDEXES, pagesOf, publishAll, serve } from './cache.testing.ts';
import { checkKv } from './check-kv.ts';
import { INTERNALS } from './internals.ts';
import type { KvCache, KvLease } from './kv-cache.ts';
import type { KvParts } from './kv-parts.ts';
import type { LeaseView } from './page-lease.ts';
import { PAGE_STATES, type PoolColumns } from './page-pool.ts';
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
interface Specimen {
  readonly cache: KvCache;
  readonly parts: KvParts;
  readonly pool: PoolColumns;
  readonly radix: RadixParts;
  readonly nodes: NodeColumns;
  readonly tokens: TokenColumns;
  readonly writer: LeaseView;
  readonly bypassing: LeaseView;
  readonly nodeOf: (page: number) => NodeId;
}

function specimen(): Specimen {
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
    writer: viewOf(parts, writer),
    bypassing: viewOf(parts, bypassing),
    nodeOf: (page) => {
      const found = parts.index.view().nodes.find(({ pages }) => pages.includes(page as PageId));
      if (found === undefined) throw new Error(`no node has page ${page}`);
      return found.node;
    },
  };
}

function viewOf(parts: KvParts, lease: KvLease): LeaseView {
  const found = [...parts.leases].find((candidate) => candidate === lease);
  if (found === undefined) throw new Error('the lease is not registered');
  return found[INTERNALS]();
}

/** Changes one thing and expects that `checkKv` says so. */
function expectFault(breakIt: (broken: Specimen) => void, fault: string): void {
  const broken = specimen();
  expect(checkKv(broken.cache)).toEqual([]);
  breakIt(broken);
  expect(checkKv(broken.cache)).toContainEqual(fault);
}

describe('the specimen', () => {
  it('is as it is drawn', () => {
    const { cache, writer, bypassing, parts } = specimen();
    const labels = parts.index.view().nodes.map(({ pages }) => pages.join(' '));
    expect(labels.sort()).toEqual(['', '', '1', '2', '3', '5', '7 8']);
    expect([...writer.table.array.subarray(0, writer.table.pageCount)]).toEqual([1, 2, 4]);
    expect(bypassing.table.array[0]).toBe(6);
    expect(cache.stats()).toMatchObject({ freePages: 11, privatePages: 2, publishedPages: 6, evictablePages: 4 });
  });
});

describe('checkKv names law 1', () => {
  it('when a page is in no state', () =>
    expectFault(({ pool }) => {
      pool.states[10] = 9;
    }, 'law 1: page 10 is in state unknown (9), which is none of the four'));

  it('when the null page is allocated', () =>
    expectFault(({ pool }) => {
      pool.states[0] = PAGE_STATES.private;
    }, 'law 1: the null page is private'));

  it('when another page claims to be the null page', () =>
    expectFault(({ pool }) => {
      pool.states[10] = PAGE_STATES.null;
    }, 'law 1: page 10 is in state null, which is none of the four'));

  it('when a kept count is wrong', () =>
    expectFault(({ pool }) => {
      pool.stateCounts[PAGE_STATES.published] = 7;
    }, 'law 1: 6 pages are published, but 7 are counted'));

  it('when a page of the index is not published', () =>
    expectFault(
      ({ pool }) => {
        pool.states[2] = PAGE_STATES.detached;
      },
      expect.stringMatching(/^law 1: page 2 of node \d+ is detached$/),
    ));

  it('when a published page is not in the index', () =>
    expectFault(({ pool }) => {
      pool.states[10] = PAGE_STATES.published;
    }, 'law 1: page 10 is published, but in no node'));
});

describe('checkKv names law 2', () => {
  it('when a page is in the free list twice', () =>
    expectFault(({ pool }) => {
      pool.freeStack[1] = pool.freeStack[0] as number;
    }, 'law 2: page 19 is in the free list twice'));

  it('when a free page is not in the list', () =>
    expectFault(({ pool }) => {
      pool.freeStack[1] = pool.freeStack[0] as number;
    }, 'law 2: free page 18 is not in the free list'));

  it('when a page in the list is in use', () =>
    expectFault(({ pool }) => {
      pool.freeStack[0] = 4;
    }, 'law 2: page 4 is in the free list, but is private'));

  it('when the place of a free page is wrong', () =>
    expectFault(({ pool }) => {
      pool.freeAt[19] = 5;
    }, 'law 2: page 19 is at 0 of the free list, not at 5'));
});

describe('checkKv names law 3', () => {
  it('when a reference count is not the number of holders', () =>
    expectFault(({ pool }) => {
      pool.references[2] = 2;
    }, 'law 3: page 2 has reference count 2, but 1 page tables hold it and 0 transfers read it'));

  it('when nothing holds a page that is in use', () =>
    expectFault(({ pool }) => {
      pool.states[10] = PAGE_STATES.private;
    }, 'law 3: page 10 is private, but nothing holds it'));

  it('when a transfer reads a free page', () => {
    const { cache, parts } = specimen();
    const reader = acquire(cache, 'eeeeff!');
    expect(reader.copies.length).toBe(1);
    const from = reader.copies[0]?.from as PageId;
    parts.pool[INTERNALS]().states[from] = PAGE_STATES.free;
    expect(checkKv(cache)).toContain(`law 3: lease 2 (salt "") is to copy from free page ${from}`);
  });
});

describe('checkKv names law 4', () => {
  it('when a lock count is not the number of leases below', () =>
    expectFault(
      ({ nodes, nodeOf }) => {
        nodes.lockCount[nodeOf(5)] = 1;
      },
      expect.stringMatching(/^law 4: node \d+ has lock count 1, but 0 leases end in its subtree$/),
    ));

  it('when the counted evictable pages are not those of the unlocked nodes', () =>
    expectFault(({ radix }) => {
      radix.locks.evictablePages = 3;
    }, 'law 4: 4 pages are evictable, but 3 are counted'));

  it('when the counted nodes are not those of the index', () =>
    expectFault(({ radix }) => {
      radix.nodes.liveCount = 6;
    }, 'law 4: the index has 5 nodes, but 6 are counted'));

  it('when an unlocked node cannot be evicted', () =>
    expectFault(
      ({ radix, nodeOf }) => {
        radix.order.remove(nodeOf(5));
      },
      expect.stringMatching(/^law 4: node \d+ is not in the eviction order, with lock count 0$/),
    ));

  it('when a locked node can be evicted', () =>
    expectFault(
      ({ radix, nodeOf }) => {
        radix.order.add(nodeOf(2));
      },
      expect.stringMatching(/^law 4: node \d+ is in the eviction order, with lock count 1$/),
    ));

  it('when a parent would be evicted before its child', () => {
    const { cache, parts, radix, writer, nodeOf } = specimen();
    for (const lease of parts.leases) if (lease[INTERNALS]().table === writer.table) lease.release();
    expect(checkKv(cache)).toEqual([]);
    radix.order.remove(nodeOf(3));
    radix.order.add(nodeOf(3));
    expect(checkKv(cache)).toContain(`law 4: node ${nodeOf(1)} would be evicted before its child ${nodeOf(3)}`);
  });

  it('when a page of an unlocked node is held', () =>
    expectFault(
      ({ pool }) => {
        pool.references[5] = 1;
      },
      expect.stringMatching(/^law 4: page 5 is held, but its node \d+ has 0 locks$/),
    ));

  it('when a table does not hold the pages of its path', () =>
    expectFault(
      ({ writer }) => {
        writer.table.array[1] = 3;
      },
      expect.stringMatching(/^law 4: page 1 of lease 0 \(salt ""\) is 3, but its path to node \d+ says 2$/),
    ));

  it('when a root is kept for nothing', () =>
    expectFault(
      ({ radix }) => {
        radix.roots.findOrCreate('nobody');
      },
      expect.stringMatching(/^law 4: root \d+ is kept for nothing$/),
    ));

  it('when a dead node is kept for nothing', () =>
    expectFault(
      ({ radix, nodes, nodeOf }) => {
        const node = nodeOf(5);
        radix.nodes.kill(node);
        nodes.lockCount[node] = 0;
      },
      expect.stringMatching(/^law 4: dead node \d+ is kept, but no lease ends in its subtree$/),
    ));
});

describe('checkKv names law 5', () => {
  it('when children are out of order', () =>
    expectFault(
      ({ nodes, nodeOf }) => {
        nodes.children.list(nodeOf(1)).subarray(0, 2).reverse();
      },
      expect.stringMatching(/^law 5: children \d+ and \d+ of node \d+ are not ordered, or one begins with the other$/),
    ));

  it('when a child begins with the tokens of its sibling', () =>
    expectFault(
      ({ tokens }) => {
        tokens.tokens.set(tokens.tokens.subarray(8, 10), 12);
      },
      expect.stringMatching(/^law 5: children \d+ and \d+ of node \d+ are not ordered, or one begins with the other$/),
    ));

  it('when a parent link points elsewhere', () =>
    expectFault(
      ({ nodes, nodeOf }) => {
        nodes.parent[nodeOf(2)] = nodeOf(7);
      },
      expect.stringMatching(/^law 5: node \d+ is not exactly once among the children of node \d+$/),
    ));

  it('when a node hangs on nothing', () =>
    expectFault(
      ({ nodes, nodeOf }) => {
        nodes.parent[nodeOf(5)] = 0;
      },
      expect.stringMatching(/^law 5: node \d+ hangs on no node of the index$/),
    ));

  it('when a sealed page is not alone in a leaf', () =>
    expectFault(
      ({ tokens }) => {
        tokens.tokenCounts[7] = 3;
      },
      expect.stringMatching(/^law 5: sealed page 7 is not alone in a leaf, but in node \d+$/),
    ));

  it('when a page has no tokens', () =>
    expectFault(
      ({ tokens }) => {
        tokens.tokenCounts[3] = 0;
      },
      expect.stringMatching(/^law 5: page 3 of node \d+ has 0 tokens$/),
    ));

  it('when a label is shorter than is counted', () =>
    expectFault(
      ({ nodes }) => {
        nodes.nextPage[7] = 0;
      },
      expect.stringMatching(/^law 5: node \d+ counts 2 pages, but its label has 1$/),
    ));

  it('when a label does not end where it should', () =>
    expectFault(
      ({ nodes }) => {
        nodes.nextPage[7] = 0;
      },
      expect.stringMatching(/^law 5: the label of node \d+ does not end in page 8$/),
    ));

  it('when the pages of a label do not point back', () =>
    expectFault(
      ({ nodes }) => {
        nodes.previousPage[8] = 5;
      },
      expect.stringMatching(/^law 5: page 8 of node \d+ does not point back to page 7$/),
    ));

  it('when a page is at two places of one tree', () =>
    expectFault(
      ({ nodes, nodeOf }) => {
        const node = nodeOf(2);
        nodes.firstPage[node] = 3;
        nodes.lastPage[node] = 3;
      },
      expect.stringMatching(/^law 5: page 3 is in node \d+ and in node \d+$/),
    ));
});

describe('checkKv names law 6', () => {
  it('when a table points at a free page', () =>
    expectFault(({ writer }) => {
      writer.table.array[2] = 15;
    }, 'law 6: the table of lease 0 (salt "") points at free page 15'));

  it('when a table points at the null page', () =>
    expectFault(({ writer }) => {
      writer.table.array[2] = 0;
    }, 'law 6: the table of lease 0 (salt "") points at null page 0'));

  it('when a private page is in two tables', () =>
    expectFault(({ bypassing }) => {
      bypassing.table.array[0] = 4;
    }, 'law 6: private page 4 is in 2 page tables'));

  it('when a private page is in no table', () =>
    expectFault(({ bypassing }) => {
      bypassing.table.pageCount = 0;
    }, 'law 6: private page 6 is in 0 page tables'));

  it('when a published page is in a write set', () =>
    expectFault(({ writer }) => {
      writer.table.sharedPages = 1;
    }, 'law 6: lease 0 (salt "") would write page 2, which is published'));

  it('when a private page counts as shared', () =>
    expectFault(({ writer }) => {
      writer.table.sharedPages = 3;
    }, 'law 6: lease 0 (salt "") shares page 4, which is private'));
});

describe('checkKv names law 7', () => {
  it('when more pages are counted than the table can hold', () =>
    expectFault(({ writer }) => {
      writer.table.pageCount = 99;
    }, 'law 7: lease 0 (salt "") counts 99 pages in a table of 4'));

  it('when more pages are shared than there are', () =>
    expectFault(({ bypassing }) => {
      bypassing.table.sharedPages = 5;
    }, 'law 7: lease 1 (salt "y") counts 5 shared pages of 1'));

  it('when a page before the last is partly filled', () =>
    expectFault(({ tokens }) => {
      tokens.tokenCounts[1] = 2;
    }, 'law 7: page 1 is partly filled, but is not the last of lease 0 (salt "")'));
});

describe('checkKv names law 8', () => {
  it('when two leases write the same slots', () =>
    expectFault(({ bypassing }) => {
      bypassing.table.array[0] = 4;
    }, 'law 8: the slots of page 4 are written by lease 0 (salt "") and by lease 1 (salt "y")'));

  it('when one lease has a page twice', () =>
    expectFault(({ writer }) => {
      writer.table.array[3] = 4;
      writer.table.pageCount = 4;
    }, 'law 8: the slots of page 4 are written by lease 0 (salt "") and by lease 0 (salt "")'));
});

describe('checkKv names law 12', () => {
  it('when leases of two salts hold one page', () =>
    expectFault(({ bypassing }) => {
      bypassing.table.array[0] = 4;
    }, 'law 12: page 4 is shared by salt "" and by lease 1 (salt "y")'));

  it('when a lease holds a page of another salt’s tree', () =>
    expectFault(({ writer }) => {
      writer.table.array[0] = 5;
    }, 'law 12: page 5 is shared by salt "y" and by lease 0 (salt "")'));

  it('when a page is in the trees of two salts', () =>
    expectFault(
      ({ nodes, nodeOf }) => {
        const node = nodeOf(5);
        nodes.firstPage[node] = 3;
        nodes.lastPage[node] = 3;
      },
      expect.stringMatching(/^law 12: page 3 is in node \d+ and in node \d+$/),
    ));

  it('when the root of a salt is lost', () =>
    expectFault(
      ({ radix }) => {
        const root = radix.roots.find('y');
        if (root !== undefined) radix.roots.forget(root);
      },
      expect.stringMatching(/^law 12: root \d+ has no salt$/),
    ));
});

describe('checkKv names law 13', () => {
  it('when the tokens of a published page change', () =>
    expectFault(({ tokens }) => {
      tokens.tokens[2 * 4 + 3] = 1;
    }, 'law 13: page 2 was published for other tokens than its path says'));

  it('when a node is moved to another path', () =>
    expectFault(({ radix, nodes, nodeOf }) => {
      const node = nodeOf(5);
      const root = radix.roots.find('')?.node as NodeId;
      nodes.children.remove(nodes.parent[node] as NodeId, 0);
      nodes.children.insert(root, 0, node);
      nodes.parent[node] = root;
    }, 'law 13: page 5 was published for other tokens than its path says'));

  it('when a lease that bypasses the index holds a published page', () =>
    expectFault(({ bypassing }) => {
      bypassing.table.array[0] = 5;
    }, 'law 13: lease 1 (salt "y") bypasses the index, but its page 5 is published'));
});

describe.each(INDEXES)('checkKv over the %s index', (index) => {
  it('changes nothing', () => {
    const cache = cacheOf({ index });
    const lease = publishAll(cache, 'aaaabbbbcc');
    serve(cache, 'dddd');
    const before = [cache.stats(), pagesOf(lease)];
    expect(checkKv(cache)).toEqual([]);
    expect([cache.stats(), pagesOf(lease)]).toEqual(before);
  });

  it('finds a wrong reference count and a wrong table', () => {
    const cache = cacheOf({ index });
    const lease = publishAll(cache, 'aaaabbbbcc');
    serve(cache, 'dddd');
    partsOf(cache).pool[INTERNALS]().references[4] = 1;
    lease.pageTable[0] = 4;
    const faults = checkKv(cache);
    expect(faults).toContain('law 3: page 1 has reference count 1, but 0 page tables hold it and 0 transfers read it');
    expect(faults).toContainEqual(expect.stringMatching(/^law 4: page 0 of lease 0 \(salt ""\) is 4/));
  });

  it('refuses a cache that is not of this package', () => {
    const foreign = { ...cacheOf({ index }) } as KvCache;
    expect(() => checkKv(foreign)).toThrow(expect.objectContaining({ code: 'FOREIGN_CACHE' }));
  });
});
