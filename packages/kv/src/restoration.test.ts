import { describe, expect, it } from 'vitest';
import { acquire, cacheOf, expectHealthy, expectIdle, INDEXES, matched, serve, tokensOf } from './cache.testing.ts';
import type { KvCache } from './kv-cache.ts';
import type { Restoration, RestoreRequest } from './lifetimes.ts';

function restore(cache: KvCache, text: string, claims: RestoreRequest['claims'] = [{}]): Restoration {
  const result = cache.restore({ tokens: tokensOf(text), tokenCount: text.length, salt: '', claims });
  if (!result.ok) throw new Error(`refused: ${result.neededPages} needed, ${result.availablePages} available`);
  return result.restoration;
}

/** Everything that a cache holds, put into another one, entry by entry. */
function copyAll(from: KvCache, to: KvCache): void {
  const ways = new Map<number, readonly number[]>();
  for (const entry of from.entries()) {
    const above = entry.parent === undefined ? [] : (ways.get(entry.parent) ?? []);
    const tokens = Uint32Array.from([...above, ...entry.tokens]);
    ways.set(entry.id, [...tokens]);
    if (entry.claims.length === 0) continue;
    const result = to.restore({ salt: entry.salt, tokens, tokenCount: tokens.length, claims: entry.claims });
    expect(result.ok).toBe(true);
    if (result.ok) result.restoration.publish();
  }
}

describe.each(INDEXES)('a restored path, %s index', (index) => {
  it('is not found before its bytes are there, and found with its claims after', () => {
    const cache = cacheOf({ index });
    const restoration = restore(cache, 'aaaabbbbcc', [{ tags: ['x'] }, { session: 's' }]);
    expect([restoration.presentTokens, restoration.pages]).toEqual([0, [1, 2, 3]]);
    expect(matched(cache, 'aaaabbbbcc!')).toBe(0);
    expectHealthy(cache);
    restoration.publish();
    expect(matched(cache, 'aaaabbbbcc!')).toBe(10);
    expect(cache.stats()).toMatchObject({ claims: 2, sessions: 1, tags: 1, leases: 0 });
    expectIdle(cache);
  });

  it('takes pages only for what is not there', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaabbbb');
    const restoration = restore(cache, 'aaaabbbbcccc');
    expect([restoration.presentTokens, restoration.pages.length]).toEqual([8, 1]);
    restoration.publish();
    expect(restore(cache, 'aaaabbbbcccc').pages).toEqual([]);
  });

  it('is published as far as its bytes came, and leaves nothing when it is given up', () => {
    const cache = cacheOf({ index });
    restore(cache, 'aaaabbbbcccc').publish(2);
    expect(matched(cache, 'aaaabbbbcccc!')).toBe(8);
    restore(cache, 'xxxxyyyy').abandon();
    expect(cache.stats()).toMatchObject({ publishedPages: 2, claims: 1 });
    expectIdle(cache);
  });

  it('is refused with both numbers when there is no room', () => {
    const cache = cacheOf({ index });
    acquire(cache, 'x'.repeat(28));
    expect(cache.restore({ tokens: tokensOf('a'.repeat(12)), tokenCount: 12, salt: '', claims: [{}] })).toEqual({
      ...{ ok: false, reason: 'no-room', neededPages: 3, availablePages: 2 },
    });
    expectHealthy(cache);
  });

  it('gives the same cache again, with sessions, tags, priorities, times and pins', () => {
    let nowMs = 0;
    const options = { index, pages: 30, clock: () => nowMs, pinBudgetPages: 4 } as const;
    const cache = cacheOf(options);
    serve(cache, 'SHOPTV55aa', { claim: { tags: ['tv'], ttlMs: 100 } });
    serve(cache, 'SHOPTV55', { claim: { session: 's', priority: 'high' } });
    serve(cache, 'SHOPRADI', { claim: { slidingTtlMs: 50 } });
    serve(cache, 'rival', { salt: 'r' });
    cache.pin({ tokens: tokensOf('SHOP'), tokenCount: 4, salt: '' });
    nowMs = 30;
    const copy = cacheOf(options);
    copyAll(cache, copy);
    expectHealthy(copy);
    const told = (each: KvCache) =>
      [...each.entries()].map(({ salt, tokens, claims, startTokens }) => ({
        ...{ salt, startTokens, tokens: [...tokens] },
        // In the order of what they say.
        claims: claims.map((claim) => JSON.stringify(claim)).sort(),
      }));
    const [before, after] = [told(cache), told(copy)];
    expect(before.length).toBeGreaterThan(4);
    expect(after.map(({ tokens }) => tokens)).toEqual(before.map(({ tokens }) => tokens));
    expect(copy.stats()).toMatchObject({ pinnedPages: 1, sessions: 1, tags: 1, pins: 1 });
    nowMs = 100;
    expect([matched(copy, 'SHOPTV55aa!'), matched(copy, 'SHOPRADI!')]).toEqual([8, 4]);
  });
});
