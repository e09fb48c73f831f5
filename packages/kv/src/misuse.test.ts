import { describe, expect, it } from 'vitest';
import { acquire, cacheOf, expectHealthy, expectIdle, publishAll, requestOf, tokensOf } from './cache.testing.ts';
import { KvError } from './errors.ts';
import type { AcquireRequest, KvLease, KvOptions } from './kv-cache.ts';
import { createKvCache } from './paged-kv-cache.ts';

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof KvError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

describe('a released lease', () => {
  it.each<[string, (lease: KvLease) => unknown]>([
    ['release', (lease) => lease.release()],
    ['tryExtend', (lease) => lease.tryExtend(4)],
    ['transferred', (lease) => lease.transferred()],
    ['publish', (lease) => lease.publish(tokensOf('aaaa'), 4)],
    ['seal', (lease) => lease.seal(tokensOf('aaaa'), 4)],
    ['fork', (lease) => lease.fork(tokensOf('aaaa'), 4)],
    ['pageTable', (lease) => lease.pageTable],
    ['pageCount', (lease) => lease.pageCount],
    ['sharedPages', (lease) => lease.sharedPages],
    ['copies', (lease) => lease.copies],
  ])('throws on %s, and harms nobody', (_name, use) => {
    const cache = cacheOf();
    const lease = publishAll(cache, 'aaaabb');
    const other = acquire(cache, 'cccc');
    lease.release();
    const before = cache.stats();
    expect(codeOf(() => use(lease))).toBe('LEASE_RELEASED');
    expect(cache.stats()).toEqual(before);
    expectHealthy(cache);
    other.release();
    expectIdle(cache);
  });

  it('still says what it matched', () => {
    const cache = cacheOf();
    publishAll(cache, 'aaaa').release();
    const lease = acquire(cache, 'aaaabb');
    lease.release();
    expect(lease).toMatchObject({ matchedTokens: 4, missReason: 'cold' });
  });
});

describe('a lease', () => {
  it.each([-1, 1.5, Number.NaN, 9])('cannot have %s tokens written in two pages of 4', (written) => {
    const lease = acquire(cacheOf(), 'aaaabbbb');
    expect(codeOf(() => lease.publish(new Uint32Array(20), written))).toBe('INVALID_TOKENS');
    expect(codeOf(() => lease.seal(new Uint32Array(20), written))).toBe('INVALID_TOKENS');
    expect(codeOf(() => lease.fork(new Uint32Array(20), written))).toBe('INVALID_TOKENS');
  });

  it('cannot have more tokens written than are given', () => {
    const lease = acquire(cacheOf(), 'aaaabbbb');
    expect(codeOf(() => lease.publish(tokensOf('aaaa'), 8))).toBe('INVALID_TOKENS');
  });

  it.each([-1, 0.5, Number.POSITIVE_INFINITY])('cannot be extended to %s tokens', (tokens) => {
    expect(codeOf(() => acquire(cacheOf(), 'aaaa').tryExtend(tokens))).toBe('INVALID_TOKENS');
  });
});

describe('options', () => {
  it.each<[string, object]>([
    ['pages below 2', { pages: 1 }],
    ['pages that are no whole number', { pages: 2.5 }],
    ['pages as text', { pages: '10' }],
    ['no pages', { pages: undefined }],
    ['a page size below 1', { pageSize: 0 }],
    ['a page size that is no whole number', { pageSize: Number.NaN }],
    ['fewer than 0 ghosts', { ghostEntries: -1 }],
    ['an unknown index', { index: 'hash' }],
    ['an unknown option', { maxPages: 3 }],
  ])('refuse %s', (_name, wrong) => {
    const options = { pages: 10, pageSize: 4, ...wrong } as KvOptions;
    expect(codeOf(() => createKvCache(options))).toBe('INVALID_OPTIONS');
  });

  it('are named in the message, with the value and the range', () => {
    expect(() => createKvCache({ pages: 10, pageSize: -3 })).toThrow(
      'pageSize must be a whole number of at least 1, not -3.',
    );
  });
});

describe('a request', () => {
  it.each<[string, object]>([
    ['tokens in a plain array', { tokens: [1, 2, 3] }],
    ['no token', { tokenCount: 0 }],
    ['more tokens than are given', { tokenCount: 5 }],
    ['a salt that is no text', { salt: 7 }],
    ['an unknown mode', { mode: 'sometimes' }],
    ['room for a negative number of tokens', { roomTokens: -1 }],
    ['a negative number of pages to keep', { keepPages: -1 }],
  ])('is refused with %s', (_name, wrong) => {
    const cache = cacheOf();
    const request = requestOf('aaaa', wrong as Partial<AcquireRequest>);
    expect(codeOf(() => cache.acquire(request))).toBe('INVALID_REQUEST');
    expectIdle(cache);
  });

  it('is read up to its token count', () => {
    const cache = cacheOf();
    publishAll(cache, 'aaaabbbb').release();
    const request = requestOf('aaaabbbb', { tokenCount: 3, roomTokens: 3 });
    const result = cache.acquire(request);
    expect(result.ok && result.lease.matchedTokens).toBe(2);
    expect(cache.match(request.tokens, 6, '').matchedTokens).toBe(5);
  });

  it('may reuse its token array afterwards: nothing is kept by reference', () => {
    const cache = cacheOf();
    const tokens = tokensOf('aaaabbbb');
    const lease = acquire(cache, 'aaaabbbb');
    lease.publish(tokens, 8);
    tokens.fill(0);
    expect(cache.match(tokensOf('aaaabbbb!'), 9, '').matchedTokens).toBe(8);
    expectHealthy(cache);
  });
});

describe('KvError and InvariantBroken', () => {
  it('are told apart by class and name', () => {
    const error = new KvError('POOL_EMPTY', 'message', { cause: 'reason' });
    expect(error).toMatchObject({ name: 'KvError', code: 'POOL_EMPTY', message: 'message', cause: 'reason' });
    expect(error).toBeInstanceOf(Error);
  });
});
