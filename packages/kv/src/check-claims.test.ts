import { describe, expect, it } from 'vitest';
import { acquire, cacheOf, publishAll, serve, tokensOf } from './cache.testing.ts';
import { checkKv } from './check-kv.ts';
import { BANDS } from './claim-terms.ts';
import { INTERNALS } from './internals.ts';
import type { KvCache, KvLease } from './kv-cache.ts';
import type { NodeClaimColumns } from './node-claims.ts';
import type { PageLease } from './page-lease.ts';
import { partsOf } from './paged-kv-cache.ts';
import { RadixIndex } from './radix-index.ts';
import type { RadixParts } from './radix-parts.ts';
import type { ClaimId, NodeId, PageId } from './units.ts';

interface Claimed {
  readonly cache: KvCache;
  readonly running: KvLease;
  readonly radix: RadixParts;
  readonly columns: NodeClaimColumns;
  readonly nodeOf: (page: number) => NodeId;
}

/** Page 1 `aaaa` under a default claim and a timed one below (page 2), page 3 pinned, page 4 held by a running lease of a session. */
function claimed(): Claimed {
  let nowMs = 100;
  const cache = cacheOf({ pages: 20, clock: () => nowMs++, pinBudgetPages: 3 });
  serve(cache, 'aaaa');
  serve(cache, 'aaaabbbb', { claim: { ttlMs: 1_000, tags: ['t'] } });
  serve(cache, 'cccc');
  cache.pin({ tokens: tokensOf('cccc'), tokenCount: 4, salt: '' });
  const running = publishAll(cache, 'dddd', { claim: { session: 's' } });
  const { index } = partsOf(cache);
  if (!(index instanceof RadixIndex)) throw new Error('not a radix index');
  const radix = index[INTERNALS]();
  const nodeOf = (page: number) => {
    const found = index.view().nodes.find(({ pages }) => pages.includes(page as PageId));
    if (found === undefined) throw new Error(`no node has page ${page}`);
    return found.node;
  };
  return { cache, running, radix, columns: radix.nodes.claims[INTERNALS](), nodeOf };
}

function expectFault(breakIt: (state: Claimed) => void, fault: RegExp): void {
  const state = claimed();
  expect(checkKv(state.cache)).toEqual([]);
  breakIt(state);
  expect(checkKv(state.cache).join('\n')).toMatch(fault);
}

describe('checkKv names law 14', () => {
  it('when the claims of a subtree are miscounted', () =>
    expectFault(({ columns, nodeOf }) => {
      columns.counts[nodeOf(1) * 4 + BANDS.normal] = 3;
    }, /law 14: 2 claims of band 1 end below node \d+, but 3 are counted/));

  it('when the held claims of a subtree are miscounted', () =>
    expectFault(({ columns, nodeOf }) => {
      columns.heldCount[nodeOf(4)] = 0;
    }, /law 14: 1 held claims end below node \d+, but 0 are counted/));

  it('when a node is kept without a claim', () =>
    expectFault(({ columns, nodeOf }) => {
      columns.firstClaim[nodeOf(2)] = 0;
    }, /law 14: node \d+ is kept, but no claim ends in its subtree/));

  it('when a node believes that it lives shorter than its claims', () =>
    expectFault(({ columns, nodeOf }) => {
      columns.liveUntilMs[nodeOf(2)] = 101;
    }, /law 14: node \d+ lives until \d+, but 101 is kept/));

  it('when a node believes that it lives after the last of its claims', () => {
    let nowMs = 0;
    const cache = cacheOf({ clock: () => nowMs });
    serve(cache, 'aaaa', { claim: { ttlMs: 50 } });
    const { index } = partsOf(cache);
    (index as RadixIndex)[INTERNALS]().nodes.claims[INTERNALS]().liveUntilMs.fill(Number.POSITIVE_INFINITY);
    nowMs = 60;
    cache.match(tokensOf('x'), 1, '');
    expect(checkKv(cache)).toContainEqual(
      expect.stringMatching(/law 14: node \d+ lives until 50, but Infinity is kept/),
    );
  });

  it('when no timer runs for a claim that ends by itself', () =>
    expectFault(({ radix, columns, nodeOf }) => {
      radix.wheel.stop(columns.firstClaim[nodeOf(2)] as ClaimId);
    }, /law 14: claim \d+ ends at \d+, but no timer runs/));

  it('when the counted claims are not those of the nodes', () =>
    expectFault(({ radix }) => {
      radix.columns.liveCount = 9;
    }, /law 14: there are 5 claims, but 9 are counted/));

  it('when terms miscount their claims', () =>
    expectFault(({ radix, columns, nodeOf }) => {
      radix.columns.terms(columns.firstClaim[nodeOf(2)] as ClaimId).claimCount = 2;
    }, /law 14: the terms .* have 1 claims, but 2 are counted/));

  it('when terms with claims cannot be found', () =>
    expectFault(({ radix, columns, nodeOf }) => {
      const terms = radix.columns.terms(columns.firstClaim[nodeOf(2)] as ClaimId);
      radix.book.release(terms);
      terms.claimCount = 1;
    }, /law 14: the terms .* have claims, but are not listed/));

  it('when terms without claims are still listed', () =>
    expectFault(({ radix }) => {
      radix.book.retain(radix.book.intern({ salt: '', tags: ['nobody'] }));
    }, /law 14: the terms .*nobody.* are listed, but have no claim/));

  it('when pinned pages are miscounted', () =>
    expectFault(({ radix }) => {
      radix.locks.pinnedPages = 2;
    }, /law 14: 1 pages are pinned, but 2 are counted/));

  it('when more is pinned than the budget allows', () => {
    const { cache } = claimed();
    Object.defineProperty(cache, 'pinBudgetPages', { value: 0 });
    expect(checkKv(cache)).toContain('law 14: 1 pages are pinned, but the budget is 0');
  });

  it('when a pin is forgotten', () =>
    expectFault(({ cache, columns, nodeOf }) => {
      partsOf(cache).pins.ended(columns.firstClaim[nodeOf(3)] as ClaimId, 'expired');
    }, /law 14: claim \d+ pins pages, but no pin names it/));

  it('when a held claim has no lease', () =>
    expectFault(({ cache, running }) => {
      partsOf(cache).leases.remove(running as PageLease);
    }, /law 14: claim \d+ is held, but no lease has it/));

  it('when the claim of a lease ends elsewhere than the lease', () => {
    const { cache, radix, nodeOf } = claimed();
    const lease = acquire(cache, 'aaaax');
    expect(checkKv(cache)).toEqual([]);
    const { claim } = partsOf(cache).leases.views().at(-1) ?? {};
    radix.claims.extend(claim as ClaimId, nodeOf(2));
    expect(checkKv(cache).join('\n')).toMatch(/law 14: a lease .* ends at node \d+, but its claim \d+ at \d+/);
    expect(lease.matchedTokens).toBe(4);
  });
});
