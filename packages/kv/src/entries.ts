import type { ClaimRecord } from './claim-reader.ts';
import { BANDS, type ClaimTerms } from './claim-terms.ts';
import type { KvParts } from './kv-parts.ts';
import type { CacheEntry, ClaimPriority, ClaimView } from './lifetimes.ts';
import type { IndexView, NodeView } from './prefix-index.ts';
import type { NodeId } from './units.ts';

const PRIORITY_OF: readonly ClaimPriority[] = ['low', 'normal', 'high', 'high'];

/** All nodes of all trees, parents before their children. */
export function* entriesOf({ index, clock, pageSize }: KvParts): Generator<CacheEntry> {
  const view = index.view();
  const nodes = new Map(view.nodes.map((node) => [node.node, node]));
  for (const root of view.nodes) {
    if (root.kind !== 'root' || root.salt === undefined) continue;
    const open: { node: NodeId; startTokens: number }[] = [{ node: root.node, startTokens: 0 }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const node = nodes.get(next.node);
      if (node === undefined) continue;
      if (node.kind === 'live')
        yield entryOf(view, node, { salt: root.salt, ...next, root: root.node, nowMs: clock.nowMs });
      const endTokens = next.startTokens + node.pages.length * pageSize;
      for (const child of [...node.children].reverse()) open.push({ node: child, startTokens: endTokens });
    }
  }
}

function entryOf(
  view: IndexView,
  node: NodeView,
  at: { readonly salt: string; readonly startTokens: number; readonly root: NodeId; readonly nowMs: number },
): CacheEntry {
  return {
    id: node.node,
    parent: node.parent === at.root ? undefined : node.parent,
    salt: at.salt,
    startTokens: at.startTokens,
    tokens: Uint32Array.from(node.pages.flatMap((page) => view.tokensOf(page))),
    pages: node.pages,
    savedTokens: node.savedTokens,
    claims: node.claims.map((claim) => claimView(claim, at.nowMs)),
  };
}

/** A claim as others see it. Pure. */
export function claimView({ terms, deadlineMs }: ClaimRecord, nowMs: number): ClaimView {
  const { session, tags, context, band, slidingTtlMs }: ClaimTerms = terms;
  return {
    ...(session === undefined ? {} : { session: session.name }),
    tags,
    context,
    priority: PRIORITY_OF[band] ?? 'normal',
    isPinned: band === BANDS.pinned,
    ...(deadlineMs === Number.POSITIVE_INFINITY ? {} : { ttlMs: Math.max(1, deadlineMs - nowMs) }),
    ...(slidingTtlMs === Number.POSITIVE_INFINITY ? {} : { slidingTtlMs }),
  };
}
