import { describe, expect, it } from 'vitest';
import { acquire, expectHealthy, expectIdle, INDEXES, matched, publishAll, serve, tokensOf } from './cache.testing.ts';
import type { KvCache } from './kv-cache.ts';
import { claim, timed } from './timed-cache.testing.ts';

function reasonFor(cache: KvCache, text: string): string {
  return cache.match(tokensOf(text), text.length, '').missReason;
}

describe.each(INDEXES)('lifetimes, %s index', (index) => {
  it('free exactly the pages that no other claim covers', () => {
    const { cache } = timed(index);
    serve(cache, 'SHOPTV55good', claim({ tags: ['tv'] }));
    serve(cache, 'SHOPTV55', claim({ tags: ['list'] }));
    serve(cache, 'SHOPRADI', claim({ tags: ['radio'] }));
    expect(cache.invalidate({ tag: 'tv' })).toEqual({ claims: 1, pages: 1, freedPages: 1, endedPins: 0 });
    expect(matched(cache, 'SHOPTV55good!')).toBe(8);
    expect(cache.invalidate({ tag: 'list' })).toMatchObject({ pages: 1 });
    expect(cache.invalidate({ tag: 'radio' })).toMatchObject({ pages: 2 });
    expect(cache.stats()).toMatchObject({ publishedPages: 0, claims: 0, tags: 0 });
    expectIdle(cache);
  });

  it('detach what a running lease reads, stop its publishing, and free it with its release', () => {
    const { cache } = timed(index);
    const lease = publishAll(cache, 'aaaabbbb', claim({ tags: ['x'] }));
    expect(cache.invalidate({ tag: 'x' })).toEqual({ claims: 1, pages: 2, freedPages: 0, endedPins: 0 });
    expect(matched(cache, 'aaaabbbb!')).toBe(0);
    lease.tryExtend(12);
    lease.publish(tokensOf('aaaabbbbcccc'), 12);
    expect(cache.stats()).toMatchObject({ publishedPages: 0, detachedPages: 2 });
    expectHealthy(cache);
    lease.release();
    expectIdle(cache);
  });

  it('merge equal claims, and keep the later end', () => {
    const { cache, pass } = timed(index);
    serve(cache, 'aaaa', claim({ ttlMs: 50 }));
    serve(cache, 'aaaa', claim({ ttlMs: 10 }));
    expect(cache.stats().claims).toBe(1);
    pass(49);
    expect(matched(cache, 'aaaa!')).toBe(4);
    pass(1);
    expect(matched(cache, 'aaaa!')).toBe(0);
  });

  it('that slide begin anew with each use, by whomever', () => {
    const { cache, pass } = timed(index);
    serve(cache, 'aaaa', claim({ slidingTtlMs: 100, session: 's' }));
    for (let use = 0; use < 5; use++) {
      pass(80);
      expect(cache.expire()).toBe(0);
      expect(serve(cache, 'aaaa?', { mode: 'use-only' })).toBe(4);
    }
    pass(100);
    expect(matched(cache, 'aaaa!')).toBe(0);
    expect(cache.expire()).toBe(1);
    expectIdle(cache);
  });

  it('that slide and end besides do not outlive their end', () => {
    const { cache, pass } = timed(index);
    serve(cache, 'aaaa', claim({ slidingTtlMs: 100, ttlMs: 150 }));
    pass(90);
    expect(serve(cache, 'aaaa?', { mode: 'use-only' })).toBe(4);
    pass(60);
    cache.expire();
    expect(matched(cache, 'aaaa!')).toBe(0);
  });

  it('come from the request, else from its tags, else from the general ones', () => {
    const news = { ttlMs: 100, tags: { news: { ttlMs: 1_000 }, 'news:live': { ttlMs: 10 } } };
    const { cache, pass } = timed(index, { lifetimes: news });
    serve(cache, 'aaaa');
    serve(cache, 'bbbb', claim({ tags: ['news:old'] }));
    serve(cache, 'cccc', claim({ tags: ['news:live', 'news:old'] }));
    serve(cache, 'dddd', claim({ tags: ['news:live'], ttlMs: 5_000 }));
    const found = () => ['aaaa!', 'bbbb!', 'cccc!', 'dddd!'].map((text) => matched(cache, text));
    pass(10);
    expect(found()).toEqual([4, 4, 0, 4]);
    pass(90);
    expect(found()).toEqual([0, 4, 0, 4]);
    pass(900);
    expect(found()).toEqual([0, 0, 0, 4]);
  });

  it('end with their session, and with the idle time of it, but not while it has a request', () => {
    const { cache, pass } = timed(index, { lifetimes: { sessionIdleMs: 100 } });
    serve(cache, 'aaaabbbb', claim({ session: 's' }));
    serve(cache, 'aaaa', claim({ session: 't' }));
    expect(cache.closeSession('s', 'another salt')).toMatchObject({ claims: 0 });
    expect(cache.closeSession('s')).toMatchObject({ claims: 1, pages: 1 });
    expect(cache.stats().sessions).toBe(1);
    const running = acquire(cache, 'aaaa?', claim({ session: 't' }));
    pass(500);
    cache.expire();
    expect(cache.stats()).toMatchObject({ sessions: 1, publishedPages: 1 });
    running.release();
    pass(99);
    cache.expire();
    expect(matched(cache, 'aaaa!')).toBe(4);
    pass(1);
    cache.expire();
    expect(cache.stats()).toMatchObject({ sessions: 0, publishedPages: 0 });
    expect(reasonFor(cache, 'aaaa!')).toBe('expired');
  });

  it('end when their session names a context without one of their tags, but not what the new request shares', () => {
    const { cache } = timed(index);
    serve(cache, 'SHOPTV55', claim({ session: 's', context: ['tv', 'shop'] }));
    serve(cache, 'SHOPTV55', claim({ session: 'other', context: ['tv'] }));
    serve(cache, 'SHOPALLL', claim({ session: 's', context: ['shop'] }));
    expect(matched(cache, 'SHOPTV55!')).toBe(8);
    serve(cache, 'SHOPRADI', claim({ session: 'other', context: ['radio'] }));
    expect([matched(cache, 'SHOPTV55!'), matched(cache, 'SHOPALLL!')]).toEqual([4, 8]);
    expect(reasonFor(cache, 'SHOPTV55!')).toBe('invalidated');
    expectIdle(cache);
  });

  it('end when another version of one of their tags comes, in their salt', () => {
    const { cache } = timed(index);
    serve(cache, 'FILEold1', claim({ tags: ['file:a@1'] }));
    serve(cache, 'FILEold1', { ...claim({ tags: ['file:a@1'] }), salt: 'y' });
    serve(cache, 'FILEsame', claim({ tags: ['file:b@1'] }));
    serve(cache, 'FILEnew2', claim({ tags: ['file:a@2'] }));
    expect(['FILEold1!', 'FILEsame!', 'FILEnew2!'].map((text) => matched(cache, text))).toEqual([4, 8, 8]);
    expect(matched(cache, 'FILEold1!', 'y')).toBe(8);
  });

  it('keep a tail alive that a longer page took the place of', () => {
    const { cache } = timed(index);
    serve(cache, 'aaaabb', claim({ session: 's' }));
    serve(cache, 'aaaabbcccc', claim({ session: 't' }));
    cache.closeSession('t');
    // The page that holds b b c c is all there is of the first session's tail.
    expect(matched(cache, 'aaaabbx')).toBe(6);
    cache.closeSession('s');
    expect(cache.stats().publishedPages).toBe(0);
    expectIdle(cache);
  });

  it('cover what is left of a prompt whose tail was evicted', () => {
    const { cache } = timed(index, { pages: 4 });
    serve(cache, 'aaaabbbbcccc', claim({ session: 's' }));
    acquire(cache, '????', { mode: 'bypass' }).release();
    expect(matched(cache, 'aaaabbbbcccc!')).toBe(8);
    expect(cache.closeSession('s')).toMatchObject({ claims: 1, pages: 2 });
    expectIdle(cache);
  });
});

describe.each(INDEXES)('what is stored, %s index', (index) => {
  it('is nothing for a request that only uses', () => {
    const { cache } = timed(index);
    serve(cache, 'aaaabbbb');
    const lease = publishAll(cache, 'aaaacccc', { mode: 'use-only' });
    lease.seal(tokensOf('aaaacccc'), 8);
    expect([lease.matchedTokens, lease.storedTokens]).toEqual([4, 0]);
    lease.release();
    expect(cache.stats()).toMatchObject({ publishedPages: 2, claims: 1 });
    expectIdle(cache);
  });

  it('ends at the last breakpoint, to the token', () => {
    const { cache } = timed(index);
    const request = { breakpoints: [{ tokens: 6 }] };
    serve(cache, 'aaaabbxxyyyy', request);
    expect(cache.stats().publishedPages).toBe(2);
    expect([matched(cache, 'aaaabbxxyyyy!'), matched(cache, 'aaaabbzz')]).toEqual([6, 6]);
    serve(cache, 'aaaabbzzyyyy', request);
    expect(cache.stats()).toMatchObject({ publishedPages: 2, claims: 2 });
    expectIdle(cache);
  });

  it('is counted once, by whoever stored it first', () => {
    const { cache } = timed(index);
    const [first, second] = [acquire(cache, 'aaaabbbb'), acquire(cache, 'aaaabbbb')];
    for (const lease of [first, second]) lease.publish(tokensOf('aaaabbbb'), 8);
    expect([first.storedTokens, second.storedTokens]).toEqual([8, 0]);
    for (const lease of [first, second]) lease.release();
    expectIdle(cache);
  });
});

describe.each(INDEXES)('priorities, %s index', (index) => {
  /** Takes all pages and says which texts are found after each. */
  function lastToGo(cache: KvCache, texts: readonly string[]): string[] {
    const gone: string[] = [];
    const filler = acquire(cache, '?', { mode: 'bypass' });
    for (let tokens = 8; filler.tryExtend(tokens).ok; tokens += 4) {
      for (const text of texts) if (!gone.includes(text) && matched(cache, `${text}!`) < text.length) gone.push(text);
      expectHealthy(cache);
    }
    filler.release();
    return gone;
  }

  it('decide before time does', () => {
    const { cache } = timed(index, { pages: 6 });
    serve(cache, 'aaaa', claim({ priority: 'high' }));
    serve(cache, 'bbbb');
    serve(cache, 'cccc', claim({ priority: 'low' }));
    expect(lastToGo(cache, ['aaaa', 'bbbb', 'cccc'])).toEqual(['cccc', 'bbbb', 'aaaa']);
  });

  it('fall back when the claim that raised them ends', () => {
    const { cache } = timed(index, { pages: 6 });
    serve(cache, 'aaaa');
    serve(cache, 'aaaa', claim({ priority: 'high', tags: ['x'] }));
    serve(cache, 'bbbb', claim({ priority: 'high' }));
    cache.invalidate({ tag: 'x' });
    expectHealthy(cache);
    expect(lastToGo(cache, ['aaaa', 'bbbb'])).toEqual(['aaaa', 'bbbb']);
  });

  it('hold for ranges of one prompt: its head stays longer than its tail', () => {
    const { cache } = timed(index, { pages: 7 });
    serve(cache, 'SYSTtail', {
      ...claim({ priority: 'low' }),
      breakpoints: [{ tokens: 4, priority: 'high' }, { tokens: 8 }],
    });
    serve(cache, 'bbbb');
    expect(lastToGo(cache, ['SYSTtail', 'SYST', 'bbbb'])).toEqual(['SYSTtail', 'bbbb', 'SYST']);
  });

  it('let what nobody reused go first, but not keep for ever what once was', () => {
    const { cache } = timed(index, { pages: 8 });
    for (const text of ['aaaa', 'bbbb', 'cccc', 'dddd']) serve(cache, text);
    for (const text of ['bbbb?', 'aaaa?', 'cccc?']) serve(cache, text, { mode: 'use-only' });
    expect(lastToGo(cache, ['aaaa', 'bbbb', 'cccc', 'dddd'])).toEqual(['dddd', 'bbbb', 'aaaa', 'cccc']);
  });
});
