import { expect } from 'vitest';
import type { KvCache, KvLease } from './kv-cache.ts';

/** Recomputed tokens are the prompt less its longest common prefix; less only when the page to copy from had to make room. */
export function expectMatch(
  lease: KvLease,
  facts: { atLeast: number; atMost: number; isExact: boolean; whatWasLeft: number; cache: KvCache },
): void {
  const { atLeast, atMost, cache } = facts;
  expect(lease.matchedTokens).toBeLessThanOrEqual(atMost);
  if (!facts.isExact || lease.matchedTokens >= atLeast) return;
  expect(lease.matchedTokens).toBeGreaterThanOrEqual(atLeast - (atLeast % cache.pageSize));
  expect(facts.whatWasLeft).toBe(0);
  expect(lease.missReason).toBe('evicted');
}

/** What must be the same whatever the index; page ids need not be. */
export function describeLease(lease: KvLease): unknown {
  const { matchedTokens, missReason, pageCount, sharedPages, copies } = lease;
  return { matchedTokens, missReason, pageCount, sharedPages, copied: copies.map(({ tokens }) => tokens) };
}

/** Of several caches that have to behave alike. */
export function expectAlike(outcomes: readonly unknown[]): void {
  // One cache is alike to itself; comparing is what takes the time.
  for (const outcome of outcomes.slice(1)) expect(outcome).toEqual(outcomes[0]);
}

export function withoutNodes(stats: object | undefined): object {
  return { ...stats, nodes: 'not compared: the radix index has fewer' };
}
