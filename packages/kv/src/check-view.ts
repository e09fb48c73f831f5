import type { ClaimTerms } from './claim-terms.ts';
import type { LeaseView } from './lease-view.ts';
import type { PinId } from './lifetimes.ts';
import { PAGE_STATES, type PoolColumns } from './page-pool.ts';
import type { IndexView, NodeView } from './prefix-index.ts';
import type { ClaimId, NodeId } from './units.ts';

/** A cache, copied for checking: everything is recounted from these and from nothing that the cache counted itself. */
export interface KvView {
  readonly pages: number;
  readonly pageSize: number;
  readonly pool: PoolColumns;
  readonly index: IndexView;
  readonly nodes: ReadonlyMap<NodeId, NodeView>;
  readonly leases: readonly LeaseView[];
  readonly nowMs: number;
  /** All that claims have. */
  readonly terms: readonly ClaimTerms[];
  readonly pinBudgetPages: number;
  readonly pins: readonly (readonly [PinId, ClaimId])[];
}

const STATE_NAMES = Object.entries(PAGE_STATES);

/** The word for a value of the state column. */
export function stateName(value: number | undefined): string {
  return STATE_NAMES.find(([, known]) => known === value)?.[0] ?? `unknown (${value})`;
}

/** The node and its ancestors, the node first; ends at a missing parent or where the chain bites its tail. */
export function pathUp(view: KvView, node: NodeId | undefined): NodeView[] {
  const path = new Set<NodeView>();
  let at = node === undefined ? undefined : view.nodes.get(node);
  while (at !== undefined && !path.has(at)) {
    path.add(at);
    at = at.parent === undefined ? undefined : view.nodes.get(at.parent);
  }
  return [...path];
}

/** The salt of the tree that a node is in; undefined for what is dead. */
export function saltOf(view: KvView, node: NodeView): string | undefined {
  return pathUp(view, node.node).at(-1)?.salt;
}
