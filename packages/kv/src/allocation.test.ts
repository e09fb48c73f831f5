import { describe, expect, it } from 'vitest';
import { bytesPerToken } from './heap-growth.testing.ts';
import type { KvCache, KvLease } from './kv-cache.ts';
import { createKvCache } from './paged-kv-cache.ts';

const STEPS = 1_000;
const SEQUENCES = 2;
const PAGE_SIZE = 16;
const TOKENS = Uint32Array.from({ length: 70_000 }, (_, at) => (at * 2_654_435_761) % 50_000);

function acquire(cache: KvCache, tokenCount: number, salt: string): KvLease {
  const result = cache.acquire({
    tokens: TOKENS,
    tokenCount,
    salt,
    mode: 'share',
    roomTokens: tokenCount,
    keepPages: 0,
  });
  if (!result.ok) throw new Error('refused');
  return result.lease;
}

/** Sequences that compute some tokens a step and publish what is full. */
function decodeSteps(cache: KvCache, tokensPerStep: number, name = ''): number {
  const leases = Array.from({ length: SEQUENCES }, (_, at) => acquire(cache, 1, `${name} ${at}`));
  let written = 0;
  for (let step = 0; step < STEPS; step++) {
    written += tokensPerStep;
    for (const lease of leases) {
      lease.tryExtend(written);
      lease.publish(TOKENS, written);
    }
  }
  for (const lease of leases) lease.release();
  return written * SEQUENCES;
}

/** Requests that come and go, a part of each prompt found. */
function serveRequests(cache: KvCache, tokensPerStep: number): number {
  const tokens = tokensPerStep * 10;
  for (let step = 0; step < STEPS; step++) {
    const lease = acquire(cache, tokens - (step % 7), 'customers');
    lease.transferred();
    lease.publish(TOKENS, tokens - (step % 7));
    lease.seal(TOKENS, tokens - (step % 7));
    lease.release();
  }
  return STEPS * tokens;
}

const PROMPT = new Uint32Array(PAGE_SIZE);
const REQUEST = {
  tokens: PROMPT,
  tokenCount: PAGE_SIZE,
  salt: '',
  mode: 'share',
  roomTokens: PAGE_SIZE,
  keepPages: 0,
} as const;

/** Prompts of a page, each another one, with a time to live. */
function storePrompts(cache: KvCache, requests: number): number {
  for (let request = 0; request < requests; request++) {
    PROMPT.fill(request);
    const result = cache.acquire(REQUEST);
    if (!result.ok) throw new Error('refused');
    result.lease.publish(PROMPT, PAGE_SIZE);
    result.lease.release();
  }
  return requests;
}

describe('memory', () => {
  it('does not grow with the tokens that are computed and published', async () => {
    const cache = createKvCache({ pages: 10_000, pageSize: PAGE_SIZE });
    const run = (tokensPerStep: number) => decodeSteps(cache, tokensPerStep);
    expect(await bytesPerToken({ run, prepare: () => cache.clear() })).toBeLessThan(1);
  });

  it('does not grow with the tokens that are evicted for others', async () => {
    const cache = createKvCache({ pages: 8_200, pageSize: PAGE_SIZE });
    let runs = 0;
    const run = (tokensPerStep: number) => decodeSteps(cache, tokensPerStep, `run ${runs++}`);
    expect(await bytesPerToken({ run })).toBeLessThan(1);
    expect(cache.stats().evictedPages).toBeGreaterThan(50_000);
  });

  it('does not grow with the tokens of requests that come and go', async () => {
    const cache = createKvCache({ pages: 1_000, pageSize: PAGE_SIZE });
    const run = (tokensPerStep: number) => serveRequests(cache, tokensPerStep);
    expect(await bytesPerToken({ run })).toBeLessThan(1);
  });

  it('is touched little by a request that says nothing but how long, so that the collector has little to do', async () => {
    const cache = createKvCache({ pages: 40_000, pageSize: PAGE_SIZE, clock: () => 0 });
    const run = (requestsPerStep: number) => storePrompts(cache, 100 * requestsPerStep);
    expect(await bytesPerToken({ run, prepare: () => cache.clear() }, 1, 16)).toBeLessThan(800);
  });

  it('would be seen to grow if one number a token were kept', async () => {
    const cache = createKvCache({ pages: 10_000, pageSize: PAGE_SIZE });
    const run = (tokensPerStep: number) => {
      const kept: number[][] = [];
      const tokens = decodeSteps(cache, tokensPerStep);
      for (let token = 0; token < tokens; token++) kept.push([token]);
      return kept.length;
    };
    expect(await bytesPerToken({ run, prepare: () => cache.clear() }, 1, 8)).toBeGreaterThan(8);
  });
});
