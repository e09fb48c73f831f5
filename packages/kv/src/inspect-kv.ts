import type { KvCache } from './kv-cache.ts';
import type { PageState } from './page-pool.ts';
import { partsOf } from './paged-kv-cache.ts';
import type { IndexView, NodeView } from './prefix-index.ts';
import type { PageId } from './units.ts';

/** A page of the pool. */
export interface InspectedPage {
  readonly page: PageId;
  readonly state: PageState;
  /** Page tables that hold it + transfers that read it. */
  readonly references: number;
}

/** A node of the prefix index. */
export interface InspectedNode {
  /** None for the root of a salt. */
  readonly pages: readonly PageId[];
  /** [pages, pageSize, fewer when sealed] token ids */
  readonly tokens: readonly (readonly number[])[];
  /** Leases that end in its subtree; 0: it can be evicted. */
  readonly lockCount: number;
  readonly children: readonly InspectedNode[];
}

/** What is in a cache, copied. */
export interface KvInspection {
  /** All pages but the null page, in order. */
  readonly pages: readonly InspectedPage[];
  /** The trees of all salts: an operator's view, not a tenant's. */
  readonly trees: readonly { readonly salt: string; readonly root: InspectedNode }[];
  /** Evictable pages, the next to be evicted first. */
  readonly evictionOrder: readonly PageId[];
}

/** Copies what is in a cache, for people to look at. Effect: none. Throws FOREIGN_CACHE. Slow, O(pages + tokens). */
export function inspectKv(cache: KvCache): KvInspection {
  const { pool, index } = partsOf(cache);
  const view = index.view();
  const nodes = new Map(view.nodes.map((node) => [node.node, node]));
  const inspect = (node: NodeView): InspectedNode => inspectNode(view, node, (id) => nodes.get(id));
  return {
    pages: Array.from({ length: cache.pages - 1 }, (_, at) => {
      const page = (at + 1) as PageId;
      return { page, state: pool.state(page), references: pool.references(page) };
    }),
    trees: view.nodes.flatMap((node) => (node.salt === undefined ? [] : [{ salt: node.salt, root: inspect(node) }])),
    evictionOrder: view.evictionOrders.flat().flatMap((node) => [...(nodes.get(node)?.pages ?? [])].reverse()),
  };
}

function inspectNode(
  view: IndexView,
  node: NodeView,
  find: (id: NodeView['node']) => NodeView | undefined,
): InspectedNode {
  return {
    pages: node.pages,
    tokens: node.pages.map((page) => view.tokensOf(page)),
    lockCount: node.lockCount,
    children: node.children.flatMap((child) => {
      const found = find(child);
      return found === undefined ? [] : [inspectNode(view, found, find)];
    }),
  };
}
