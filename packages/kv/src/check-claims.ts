import { type KvView, pathUp } from './check-view.ts';
import type { ClaimRecord } from './claim-reader.ts';
import { BAND_COUNT, BANDS, type ClaimTerms } from './claim-terms.ts';
import type { NodeView } from './prefix-index.ts';
import type { ClaimId, NodeId } from './units.ts';

/**
 * Law 14: a node lives exactly while a claim ends in its subtree; what is kept of the claims below a node, and of terms, timers and pins, equals a
 * recount; pins stay within their budget.
 */
export function checkClaims(view: KvView): string[] {
  return [...checkCounts(view), ...checkTimes(view), ...checkIdentity(view), ...checkHolders(view), ...checkPins(view)];
}

function checkCounts(view: KvView): string[] {
  const faults: string[] = [];
  const counts = new Map<NodeId, number[]>();
  const held = new Map<NodeId, number>();
  let claimCount = 0;
  for (const { node, claims } of view.index.nodes) {
    for (const { terms, state } of claims) {
      claimCount++;
      for (const above of pathUp(view, node)) {
        const at = counts.get(above.node) ?? Array.from({ length: BAND_COUNT }, () => 0);
        at[terms.band] = (at[terms.band] as number) + 1;
        counts.set(above.node, at);
        if (state === 'held') held.set(above.node, (held.get(above.node) ?? 0) + 1);
      }
    }
  }
  if (claimCount !== view.index.claimCount)
    faults.push(`law 14: there are ${claimCount} claims, but ${view.index.claimCount} are counted`);
  for (const { node, kind, claimCounts, heldCount } of view.index.nodes) {
    const actual = counts.get(node) ?? [];
    const total = actual.reduce((sum, count) => sum + count, 0);
    if (kind === 'live' && total === 0) faults.push(`law 14: node ${node} is kept, but no claim ends in its subtree`);
    if (kind === 'dead' && total > 0) faults.push(`law 14: a claim ends in the subtree of dead node ${node}`);
    for (let band = 0; band < BAND_COUNT; band++) {
      const count = actual[band] ?? 0;
      if (kind !== 'dead' && claimCounts[band] !== count)
        faults.push(
          `law 14: ${count} claims of band ${band} end below node ${node}, but ${claimCounts[band]} are counted`,
        );
    }
    if (kind !== 'dead' && heldCount !== (held.get(node) ?? 0))
      faults.push(`law 14: ${held.get(node) ?? 0} held claims end below node ${node}, but ${heldCount} are counted`);
  }
  return faults;
}

/** What is kept is never below the real time, and tells rightly whether the node lives unless it says itself that it is loose. */
function checkTimes(view: KvView): string[] {
  const faults: string[] = [];
  const until = new Map<NodeId, number>();
  for (const { node, claims } of view.index.nodes) {
    for (const { claim, state, expiryMs, isTimed } of claims) {
      const isTimeNeeded = state === 'settled' && expiryMs < Number.POSITIVE_INFINITY;
      if (isTimeNeeded && !isTimed) faults.push(`law 14: claim ${claim} ends at ${expiryMs}, but no timer runs`);
      if (state === 'held') continue;
      for (const above of pathUp(view, node)) until.set(above.node, Math.max(until.get(above.node) ?? 0, expiryMs));
    }
  }
  for (const { node, kind, liveUntilMs, isLoose } of view.index.nodes) {
    // Nobody asks a root.
    if (kind !== 'live') continue;
    const actual = until.get(node) ?? 0;
    const isLive = actual > view.nowMs;
    if (liveUntilMs < actual || (!isLoose && isLive !== liveUntilMs > view.nowMs)) {
      faults.push(`law 14: node ${node} lives until ${actual}, but ${liveUntilMs} is kept`);
    }
  }
  return faults;
}

/** Equal claims are one; terms know how many claims they have. */
function checkIdentity(view: KvView): string[] {
  const faults: string[] = [];
  const termCounts = new Map<ClaimTerms, number>();
  for (const { node, claims, kind } of view.index.nodes) {
    const settled = claims.filter(({ state }) => state === 'settled').map(({ terms }) => terms);
    if (new Set(settled).size !== settled.length) faults.push(`law 14: two equal claims end at node ${node}`);
    if (kind === 'root' && settled.length > 0) faults.push(`law 14: a settled claim ends at root ${node}`);
    for (const { terms } of claims) termCounts.set(terms, (termCounts.get(terms) ?? 0) + 1);
  }
  const listed = new Set(view.terms);
  for (const [terms, count] of termCounts) {
    if (!listed.has(terms)) faults.push(`law 14: the terms ${terms.key} have claims, but are not listed`);
    if (terms.claimCount !== count)
      faults.push(`law 14: the terms ${terms.key} have ${count} claims, but ${terms.claimCount} are counted`);
  }
  for (const terms of listed) {
    if (!termCounts.has(terms)) faults.push(`law 14: the terms ${terms.key} are listed, but have no claim`);
  }
  return faults;
}

function claimsById(view: KvView): Map<ClaimId, { readonly record: ClaimRecord; readonly node: NodeView }> {
  return new Map(
    view.index.nodes.flatMap((node) => node.claims.map((record) => [record.claim, { record, node }] as const)),
  );
}

/** Each held claim is that of one lease, where the lease ends, unless a longer page took the place of its sealed tail. */
function checkHolders(view: KvView): string[] {
  const faults: string[] = [];
  const claims = claimsById(view);
  const held = new Set([...claims].filter(([, { record }]) => record.state === 'held').map(([claim]) => claim));
  for (const { claim, endNode, phase, salt } of view.leases) {
    if (claim === undefined) continue;
    if (!held.delete(claim)) faults.push(`law 14: a lease (salt "${salt}") holds claim ${claim}, which is not held`);
    const node = claims.get(claim)?.node.node;
    if (node !== endNode && phase === 'live')
      faults.push(`law 14: a lease (salt "${salt}") ends at node ${endNode}, but its claim ${claim} at ${node}`);
  }
  for (const claim of held) faults.push(`law 14: claim ${claim} is held, but no lease has it`);
  return faults;
}

function checkPins(view: KvView): string[] {
  const faults: string[] = [];
  const pinned = new Set<ClaimId>();
  let pages = 0;
  for (const { claims, claimCounts, pages: own, kind } of view.index.nodes) {
    for (const { claim, terms } of claims) if (terms.band === BANDS.pinned) pinned.add(claim);
    if (kind === 'live' && (claimCounts[BANDS.pinned] as number) > 0) pages += own.length;
  }
  if (pages !== view.index.pinnedPages)
    faults.push(`law 14: ${pages} pages are pinned, but ${view.index.pinnedPages} are counted`);
  if (pages > view.pinBudgetPages)
    faults.push(`law 14: ${pages} pages are pinned, but the budget is ${view.pinBudgetPages}`);
  for (const [pin, claim] of view.pins) {
    if (!pinned.delete(claim)) faults.push(`law 14: pin ${pin} has claim ${claim}, which pins nothing`);
  }
  for (const claim of pinned) faults.push(`law 14: claim ${claim} pins pages, but no pin names it`);
  return faults;
}
