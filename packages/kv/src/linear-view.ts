import type { LinearClaims } from './linear-claims.ts';
import { type Entry, isLive, type LinearEntries } from './linear-entries.ts';
import type { IndexView, NodeView, PrefixIndex } from './prefix-index.ts';
import { compareTokens } from './token-order.ts';

/** Copies a naive index for the checker. */
export function viewLinear(entries: LinearEntries, claims: LinearClaims, index: PrefixIndex): IndexView {
  const orders = entries.orders();
  return {
    nodes: entries.all.map((entry) => viewOf(entries, claims, entry)),
    tokensOf: (page) => entries.all.find((entry) => isLive(entry) && entry.page === page)?.tokens ?? [],
    hasDigestOf: () => true,
    evictionOrders: orders.map((order) => order.map(({ node }) => node)),
    slotPages: orders.map((order) => order.length),
    evictablePages: index.evictablePages,
    pinnedPages: index.pinnedPages,
    claimCount: index.claimCount,
    nodeCount: index.nodeCount,
    faults: [],
  };
}

function viewOf(entries: LinearEntries, claims: LinearClaims, entry: Entry): NodeView {
  const below = isLive(entry) ? entries.claimsBelow(entry) : [];
  return {
    node: entry.node,
    kind: entry.removed ? 'dead' : entry.parent === undefined ? 'root' : 'live',
    parent: entry.parent?.node,
    children: entries
      .childrenOf(entry)
      .sort((a, b) => compareTokens(a.tokens, b.tokens))
      .map((child) => child.node),
    pages: entry.removed || entry.parent === undefined ? [] : [entry.page],
    lockCount: entry.lockCount,
    claims: below.filter((claim) => claim.entry === entry).map((claim) => claims.recordOf(claim)),
    claimCounts: entries.countsBelow(entry),
    heldCount: below.filter(({ isHeld }) => isHeld).length,
    liveUntilMs: Math.max(0, ...below.filter(({ isHeld }) => !isHeld).map((claim) => claims.expiryOf(claim))),
    isLoose: false,
    isReused: entry.isReused,
    savedTokens: entry.savedTokens,
    salt: entry.parent === undefined && !entry.removed ? entry.salt : undefined,
  };
}
