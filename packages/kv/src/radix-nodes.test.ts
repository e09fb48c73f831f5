import { describe, expect, it } from 'vitest';
import { PageTokens } from './page-tokens.ts';
import { NO_NODE, RadixNodes } from './radix-nodes.ts';
import { type NodeId, NULL_PAGE, type PageId } from './units.ts';

/** Pages 1 to 99 hold one token each, their own number. */
function createNodes(): RadixNodes {
  const tokens = new PageTokens(100, 1);
  for (let page = 1; page < 100; page++) tokens.store(page as PageId, Uint32Array.of(page), 0, 1);
  return new RadixNodes(100, tokens);
}

function childWith(nodes: RadixNodes, parent: NodeId, ...pages: number[]): NodeId {
  const node = nodes.createChild(parent, nodes.findPlace(parent, Uint32Array.of(pages[0] as number), 0, 1));
  for (const page of pages) nodes.append(node, page as PageId);
  return node;
}

function labelOf(nodes: RadixNodes, node: NodeId): number[] {
  const pages: number[] = [];
  for (let page = nodes.firstPage(node); page !== NULL_PAGE; page = nodes.nextPage(page)) pages.push(page);
  return pages;
}

function childrenOf(nodes: RadixNodes, node: NodeId): NodeId[] {
  const children: NodeId[] = [];
  for (let at = nodes.children.first(node); at !== NO_NODE; at = nodes.children.next(at)) children.push(at);
  return children;
}

describe('RadixNodes', () => {
  it('keeps children in the order of their first pages, in whatever order they come', () => {
    const nodes = createNodes();
    const root = nodes.createRoot();
    for (const page of [50, 10, 90, 30, 70, 20]) childWith(nodes, root, page);
    expect(childrenOf(nodes, root).map((child) => nodes.firstPage(child))).toEqual([10, 20, 30, 50, 70, 90]);
    nodes.unlinkChild(childrenOf(nodes, root)[2] as NodeId);
    expect(childrenOf(nodes, root).map((child) => nodes.firstPage(child))).toEqual([10, 20, 50, 70, 90]);
  });

  it('appends to a label and trims it from its end', () => {
    const nodes = createNodes();
    const node = childWith(nodes, nodes.createRoot(), 4, 12, 9);
    expect(labelOf(nodes, node)).toEqual([4, 12, 9]);
    nodes.trim(node);
    expect([labelOf(nodes, node), nodes.lastPage(node), nodes.pageCount(node)]).toEqual([[4, 12], 12, 2]);
    nodes.trim(node);
    nodes.trim(node);
    expect([labelOf(nodes, node), nodes.lastPage(node), nodes.pageCount(node)]).toEqual([[], NULL_PAGE, 0]);
  });

  it('gives the head of a split to a new node, so that the old one still ends where it did', () => {
    const nodes = createNodes();
    const root = nodes.createRoot();
    const sibling = childWith(nodes, root, 2);
    const node = childWith(nodes, root, 4, 12, 9);
    const below = childWith(nodes, node, 7);
    nodes.setLockCount(node, 3);
    const head = nodes.endAt(node, 2, 12 as PageId);
    expect([labelOf(nodes, head), labelOf(nodes, node)]).toEqual([[4, 12], [9]]);
    expect(childrenOf(nodes, root)).toEqual([sibling, head]);
    expect([childrenOf(nodes, head), childrenOf(nodes, node)]).toEqual([[node], [below]]);
    expect([nodes.parent(head), nodes.parent(node)]).toEqual([root, head]);
    expect([nodes.lockCount(head), nodes.lockCount(node)]).toEqual([3, 3]);
    expect(nodes.previousPage(9 as PageId)).toBe(NULL_PAGE);
  });

  it('does not split where a label ends anyway', () => {
    const nodes = createNodes();
    const node = childWith(nodes, nodes.createRoot(), 4, 12);
    expect(nodes.endAt(node, 2, 12 as PageId)).toBe(node);
    expect(nodes.liveCount).toBe(1);
  });

  it('grows beyond one node a page, for roots and dead nodes', () => {
    const nodes = createNodes();
    const roots = Array.from({ length: 1_000 }, () => nodes.createRoot());
    expect(new Set(roots).size).toBe(1_000);
    expect(roots.every((root) => nodes.isRoot(root) && nodes.childCount(root) === 0)).toBe(true);
    for (const root of roots) nodes.recycle(root);
    expect(roots).toContain(nodes.createRoot());
    expect(nodes.end).toBe(1_001);
  });

  it('never hands out the node that means none', () => {
    const nodes = createNodes();
    const first = nodes.createRoot();
    nodes.recycle(first);
    expect([first, nodes.createRoot(), nodes.createRoot()]).not.toContain(NO_NODE);
  });
});
