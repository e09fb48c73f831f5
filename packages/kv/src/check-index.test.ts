import { describe, expect, it } from 'vitest';
import { checkKv } from './check-kv.ts';
import { CHILD_LINKS, LINKS_PER_NODE } from './child-trees.ts';
import { INTERNALS } from './internals.ts';
import { expectFault, specimen } from './kv-specimen.testing.ts';
import type { NodeColumns } from './radix-nodes.ts';

/** The links, and the place of the first one of the child where a search below `parent` begins. */
function linksOf({ children: { links } }: NodeColumns, parent: number): { links: Int32Array; first: number } {
  return { links, first: (links[parent * LINKS_PER_NODE + CHILD_LINKS.top] as number) * LINKS_PER_NODE };
}

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
    const { cache, radix, writerLease, nodeOf } = specimen();
    writerLease.release();
    expect(checkKv(cache)).toEqual([]);
    radix.nodes.claims[INTERNALS]().isReused[nodeOf(1)] = 0;
    for (const page of [1, 3]) {
      radix.order.remove(nodeOf(page));
      radix.order.add(nodeOf(page));
    }
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
        const { links, first } = linksOf(nodes, nodeOf(1));
        links.subarray(first, first + 2).reverse();
      },
      expect.stringMatching(/^law 5: children \d+ and \d+ of node \d+ are not ordered, or one begins with the other$/),
    ));

  it('when a child is lost', () =>
    expectFault(
      ({ nodes, nodeOf }) => {
        const { links, first } = linksOf(nodes, nodeOf(1));
        links.fill(0, first, first + 2);
      },
      expect.stringMatching(/^law 5: node \d+ counts 2 children, but has 1$/),
    ));

  it('when a child hangs on another one than it says', () =>
    expectFault(
      ({ nodes, nodeOf }) => {
        const { links, first } = linksOf(nodes, nodeOf(1));
        links[first + CHILD_LINKS.over] = nodeOf(5);
      },
      expect.stringMatching(/^law 5: child \d+ of node \d+ does not point back to 0$/),
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
