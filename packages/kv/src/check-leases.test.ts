import { describe, expect, it } from 'vitest';
import { expectFault } from './kv-specimen.testing.ts';
import type { NodeId } from './units.ts';

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
      const { children } = radix.nodes;
      children.remove(nodes.parent[node] as NodeId, node);
      children.insert(root, node, { below: 0 as NodeId, above: children.first(root) });
      nodes.parent[node] = root;
    }, 'law 13: page 5 was published for other tokens than its path says'));

  it('when a lease that bypasses the index holds a published page', () =>
    expectFault(({ bypassing }) => {
      bypassing.table.array[0] = 5;
    }, 'law 13: lease 1 (salt "y") bypasses the index, but its page 5 is published'));
});
