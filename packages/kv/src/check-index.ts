import { slotOf } from './band-orders.ts';
import { type KvView, pathUp, saltOf, stateName } from './check-view.ts';
import { BANDS } from './claim-terms.ts';
import { PAGE_STATES } from './page-pool.ts';
import type { NodeView } from './prefix-index.ts';
import type { NodeId, PageId } from './units.ts';

/** Laws 4, 5, 12 and 13 as far as the index goes: locks and eviction order, the tree, salts, tokens. */
export function checkIndex(view: KvView): string[] {
  return [
    ...view.index.faults,
    ...checkLocks(view),
    ...checkCounters(view),
    ...checkEvictionOrder(view),
    ...checkTree(view),
    ...checkPlaces(view),
    ...checkTokens(view),
  ];
}

function checkLocks(view: KvView): string[] {
  const faults: string[] = [];
  const locks = new Map<NodeId, number>();
  for (const lease of view.leases) {
    for (const { node } of pathUp(view, lease.lockNode)) locks.set(node, (locks.get(node) ?? 0) + 1);
  }
  for (const { node, kind, lockCount, pages, children } of view.index.nodes) {
    const actual = locks.get(node) ?? 0;
    if (lockCount !== actual)
      faults.push(`law 4: node ${node} has lock count ${lockCount}, but ${actual} leases end in its subtree`);
    if (kind === 'dead' && actual === 0)
      faults.push(`law 4: dead node ${node} is kept, but no lease ends in its subtree`);
    if (kind === 'root' && actual === 0 && children.length === 0)
      faults.push(`law 4: root ${node} is kept for nothing`);
    for (const page of pages) {
      const isHeld = (view.pool.references[page] as number) > 0;
      if (isHeld !== actual > 0) {
        faults.push(`law 4: page ${page} is ${isHeld ? '' : 'not '}held, but its node ${node} has ${actual} locks`);
      }
    }
  }
  return faults;
}

function checkCounters(view: KvView): string[] {
  const faults: string[] = [];
  const live = view.index.nodes.filter(({ kind }) => kind === 'live');
  const evictable = live
    .filter((node) => node.lockCount === 0 && node.claimCounts[BANDS.pinned] === 0)
    .reduce((sum, { pages }) => sum + pages.length, 0);
  if (evictable !== view.index.evictablePages) {
    faults.push(`law 4: ${evictable} pages are evictable, but ${view.index.evictablePages} are counted`);
  }
  if (live.length !== view.index.nodeCount) {
    faults.push(`law 4: the index has ${live.length} nodes, but ${view.index.nodeCount} are counted`);
  }
  return faults;
}

function checkEvictionOrder(view: KvView): string[] {
  const faults: string[] = [];
  const { evictionOrders, slotPages, nodes } = view.index;
  const places = new Map(evictionOrders.flatMap((order, slot) => order.map((node, place) => [node, { slot, place }])));
  if (places.size !== evictionOrders.flat().length) faults.push('law 4: a node is in the eviction order twice');
  for (const { node, kind, lockCount, parent, claimCounts, isReused } of nodes) {
    const isEvictable = kind === 'live' && lockCount === 0 && claimCounts[BANDS.pinned] === 0;
    const own = places.get(node);
    if (isEvictable !== (own !== undefined)) {
      faults.push(
        `law 4: node ${node} is ${own === undefined ? 'not ' : ''}in the eviction order, with lock count ${lockCount}`,
      );
    }
    const slot = slotOf(
      claimCounts.findLastIndex((count) => count > 0),
      isReused,
    );
    if (own !== undefined && own.slot !== slot)
      faults.push(`law 4: node ${node} is in slot ${own.slot}, not in ${slot}`);
    const above = parent === undefined ? undefined : places.get(parent);
    if (own !== undefined && above !== undefined && isBefore(above, own)) {
      faults.push(`law 4: node ${parent} would be evicted before its child ${node}`);
    }
  }
  for (const node of places.keys()) {
    if (!view.nodes.has(node)) faults.push(`law 4: node ${node} is in the eviction order, but not in the index`);
  }
  for (const [slot, order] of evictionOrders.entries()) {
    const pages = order.reduce((sum, node) => sum + (view.nodes.get(node)?.pages.length ?? 0), 0);
    if (pages !== slotPages[slot])
      faults.push(`law 4: slot ${slot} has ${pages} pages, but ${slotPages[slot]} are counted`);
  }
  return faults;
}

interface EvictionPlace {
  readonly slot: number;
  readonly place: number;
}

/** Could `a` go before `b`? In the same list by place; in a lower band or, of one band, as not reused. */
function isBefore(a: EvictionPlace, b: EvictionPlace): boolean {
  return a.slot === b.slot ? a.place < b.place : a.slot < b.slot;
}

/** Law 5: links agree in both directions, labels are full pages, children are ordered and none is a prefix of another. */
function checkTree(view: KvView): string[] {
  const faults: string[] = [];
  for (const { node, kind, parent, pages } of view.index.nodes) {
    const above = parent === undefined ? undefined : view.nodes.get(parent);
    if (kind === 'root' && parent !== undefined) faults.push(`law 5: root ${node} has a parent, node ${parent}`);
    if (kind === 'live' && (above === undefined || above.kind === 'dead'))
      faults.push(`law 5: node ${node} hangs on no node of the index`);
    if (kind === 'live' && above?.children.filter((child) => child === node).length !== 1) {
      faults.push(`law 5: node ${node} is not exactly once among the children of node ${parent}`);
    }
    if (kind === 'live' && pages.length === 0) faults.push(`law 5: node ${node} has an empty label`);
    if (kind !== 'live' && pages.length > 0) faults.push(`law 5: ${kind} node ${node} has pages`);
  }
  for (const node of view.index.nodes) faults.push(...checkLabel(view, node), ...checkChildren(view, node));
  return faults;
}

function checkLabel(view: KvView, { node, pages, children }: NodeView): string[] {
  const faults: string[] = [];
  for (const page of pages) {
    const count = view.index.tokensOf(page).length;
    if (count < 1 || count > view.pageSize) faults.push(`law 5: page ${page} of node ${node} has ${count} tokens`);
    if (count < view.pageSize && (pages.length > 1 || children.length > 0)) {
      faults.push(`law 5: sealed page ${page} is not alone in a leaf, but in node ${node}`);
    }
  }
  return faults;
}

function checkChildren(view: KvView, { node, children }: NodeView): string[] {
  const faults: string[] = [];
  const firsts = children.map((child) => {
    const found = view.nodes.get(child);
    if (found?.parent !== node || found.kind !== 'live')
      faults.push(`law 5: node ${child} is a child of ${node}, but its parent is ${found?.parent}`);
    const page = found?.pages[0];
    return page === undefined ? [] : view.index.tokensOf(page);
  });
  for (let place = 1; place < firsts.length; place++) {
    if (!isBelow(firsts[place - 1] ?? [], firsts[place] ?? [])) {
      faults.push(
        `law 5: children ${children[place - 1]} and ${children[place]} of node ${node} are not ordered, or one begins with the other`,
      );
    }
  }
  return faults;
}

function isBelow(left: readonly number[], right: readonly number[]): boolean {
  const at = left.findIndex((token, place) => token !== right[place]);
  return at >= 0 && at < right.length && (left[at] as number) < (right[at] as number);
}

/** Laws 1 and 12: published pages are those of the index, each at one place, so under one salt. */
function checkPlaces(view: KvView): string[] {
  const faults: string[] = [];
  const places = new Map<PageId, NodeView>();
  for (const node of view.index.nodes) {
    for (const page of node.pages) {
      const other = places.get(page);
      if (other !== undefined) {
        const isShared = saltOf(view, other) !== saltOf(view, node);
        faults.push(`law ${isShared ? 12 : 5}: page ${page} is in node ${other.node} and in node ${node.node}`);
      }
      places.set(page, node);
      if (view.pool.states[page] !== PAGE_STATES.published) {
        faults.push(`law 1: page ${page} of node ${node.node} is ${stateName(view.pool.states[page])}`);
      }
    }
  }
  for (let page = 1; page < view.pages; page++) {
    if (view.pool.states[page] === PAGE_STATES.published && !places.has(page as PageId)) {
      faults.push(`law 1: page ${page} is published, but in no node`);
    }
  }
  return faults;
}

/** Law 13: the digest taken when a page was published is that of its salt and of all tokens on the way to it. */
function checkTokens(view: KvView): string[] {
  const faults: string[] = [];
  for (const root of view.index.nodes.filter(({ kind }) => kind === 'root')) {
    const { salt } = root;
    if (salt === undefined) {
      faults.push(`law 12: root ${root.node} has no salt`);
      continue;
    }
    const open: { node: NodeView; tokens: readonly number[] }[] = [{ node: root, tokens: [] }];
    const seen = new Set<NodeView>();
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (seen.has(next.node)) continue;
      seen.add(next.node);
      const tokens = [...next.tokens];
      for (const page of next.node.pages) {
        tokens.push(...view.index.tokensOf(page));
        if (!view.index.hasDigestOf(page, salt, tokens))
          faults.push(`law 13: page ${page} was published for other tokens than its path says`);
      }
      for (const child of next.node.children) {
        const found = view.nodes.get(child);
        if (found !== undefined) open.push({ node: found, tokens });
      }
    }
  }
  return faults;
}
