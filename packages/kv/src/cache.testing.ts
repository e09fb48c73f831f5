import { expect } from 'vitest';
import { checkKv } from './check-kv.ts';
import type { AcquireRequest, KvCache, KvLease, KvOptions, PageCopy } from './kv-cache.ts';
import { createKvCache } from './paged-kv-cache.ts';

/** Both implementations, for `describe.each`. */
export const INDEXES = ['radix', 'linear'] as const;

/** Property runs: 1,000 unless OCTAVO_PROPERTY_RUNS says otherwise. */
export const PROPERTY_RUNS = Number(process.env.OCTAVO_PROPERTY_RUNS ?? 1_000);

/** 10 pages of 4 tokens (9 to allocate) unless told otherwise. */
export function cacheOf(options: Partial<KvOptions> = {}): KvCache {
  return createKvCache({ pages: 10, pageSize: 4, ...options });
}

/** Letters as tokens. */
export function tokensOf(text: string): Uint32Array {
  return Uint32Array.from(text, (letter) => letter.charCodeAt(0));
}

export function requestOf(text: string, fields: Partial<AcquireRequest> = {}): AcquireRequest {
  const tokens = tokensOf(text);
  return {
    tokens,
    tokenCount: tokens.length,
    salt: '',
    mode: 'share',
    roomTokens: tokens.length,
    keepPages: 0,
    ...fields,
  };
}

/** Acquires a lease with room for the whole prompt; a refusal fails the test. */
export function acquire(cache: KvCache, text: string, fields: Partial<AcquireRequest> = {}): KvLease {
  const result = cache.acquire(requestOf(text, fields));
  if (!result.ok) throw new Error(`refused: ${result.neededPages} pages needed, ${result.availablePages} available`);
  return result.lease;
}

/** Acquires and publishes the whole text, as if it had been computed. */
export function publishAll(cache: KvCache, text: string, fields: Partial<AcquireRequest> = {}): KvLease {
  const lease = acquire(cache, text, fields);
  lease.transferred();
  lease.publish(tokensOf(text), text.length);
  return lease;
}

/** A whole life: acquired, computed, published, sealed, released. Returns the tokens that were reused. */
export function serve(cache: KvCache, text: string, fields: Partial<AcquireRequest> = {}): number {
  const lease = publishAll(cache, text, fields);
  lease.seal(tokensOf(text), text.length);
  lease.release();
  return lease.matchedTokens;
}

/** Leading letters of a prompt that are in the cache, the last letter left out. */
export function matched(cache: KvCache, text: string, salt = ''): number {
  return cache.match(tokensOf(text), text.length, salt).matchedTokens;
}

/** The pages of a lease's table. */
export function pagesOf(lease: KvLease): number[] {
  return [...lease.pageTable.subarray(0, lease.pageCount)];
}

export function copiesOf(copies: readonly PageCopy[]): number[][] {
  return copies.map(({ from, to, tokens }) => [from, to, tokens]);
}

export function expectHealthy(cache: KvCache): void {
  expect(checkKv(cache)).toEqual([]);
}

/** Nothing is held and nothing is lost. */
export function expectIdle(cache: KvCache): void {
  expectHealthy(cache);
  const { leases, privatePages, detachedPages, freePages, evictablePages, totalPages } = cache.stats();
  expect({ leases, privatePages, detachedPages }).toEqual({ leases: 0, privatePages: 0, detachedPages: 0 });
  expect(freePages + evictablePages).toBe(totalPages);
}
