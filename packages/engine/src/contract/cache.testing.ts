/** Lifetimes as a caller sees them, whatever thread the engine runs in. */
import { expect, it } from 'vitest';
import type { Engine, GenerateRequest, RequestOptions } from '../api.ts';
import { engineErrorOf, type OpenModel, withEngine } from '../engine.testing.ts';

const SYSTEM = Array.from({ length: 40 }, (_, at) => 300 + at);
const PAGE = 16;

/** System prompt, one product's description, a question: 40 + 30 + 5 tokens, all of them ids of the shipped model. */
function productPrompt(product: number, question = 0): number[] {
  const description = Array.from({ length: 30 }, (_, at) => 400 + ((product * 31 + at * 7) % 500));
  return [...SYSTEM, 100 + product, ...description.slice(1), ...[1, 2, 3, 4, 5].map((at) => 900 + question * 5 + at)];
}

async function ask(engine: Engine, ids: readonly number[], options: RequestOptions = {}) {
  const request: GenerateRequest = { ids, maxTokens: 2, ignoreEos: true, ...options };
  return (await engine.generate(request).result()).usage;
}

/** Published pages. */
async function keptPages(engine: Engine): Promise<number> {
  return (await engine.stats()).kv.publishedPages;
}

export function describeCache(open: OpenModel): void {
  it('drops the pages of one tag of 60 to the page, and the next request computes its prompt less what is left, to the token', async () => {
    await withEngine(open({ pages: 1_000 }), async (engine) => {
      for (let product = 0; product < 60; product++) {
        await ask(engine, productPrompt(product), { tags: [`product:${product}`], breakpoints: [{ tokens: 70 }] });
      }
      const before = await keptPages(engine);
      // 40 tokens of the system prompt fill 2 pages, which all claim; the other 30 tokens of each product 2 more and a sealed one.
      expect(before).toBe(2 + 60 * 3);
      const ended = await engine.cache.invalidate({ tag: 'product:55' });
      expect(ended).toEqual({ claims: 1, pages: 3, freedPages: 3, endedPins: 0 });
      expect(await keptPages(engine)).toBe(before - 3);
      expect(await engine.audit()).toEqual([]);
      const again = await ask(engine, productPrompt(55, 1), { tags: ['product:55'] });
      // The system prompt is left: its full pages as they are, its last 8 tokens by copying them from another product's page.
      expect(again).toMatchObject({
        promptTokens: 75,
        cachedTokens: 40,
        computedTokens: 35,
        missReason: 'invalidated',
      });
      expect((await ask(engine, productPrompt(54, 1))).cachedTokens).toBe(70);
      expect(await engine.cache.invalidate({ tag: 'product:nobody' })).toEqual({
        ...{ claims: 0, pages: 0, freedPages: 0, endedPins: 0 },
      });
    });
  });

  it('keeps what another session uses when one is closed', async () => {
    await withEngine(open(), async (engine) => {
      await ask(engine, productPrompt(1), { session: 'ann' });
      await ask(engine, productPrompt(2), { session: 'bob' });
      expect((await engine.cache.stats()).sessions).toBe(2);
      const ended = await engine.cache.closeSession('ann');
      expect(ended.claims).toBe(1);
      expect((await ask(engine, productPrompt(1), { cache: 'use-only' })).cachedTokens).toBe(40);
      expect((await ask(engine, productPrompt(2), { cache: 'use-only' })).cachedTokens).toBe(74);
      expect((await engine.cache.closeSession('nobody')).claims).toBe(0);
      expect((await engine.cache.closeSession('bob', { salt: 'another tenant' })).claims).toBe(0);
    });
  });

  it('drops what belonged only to the old context when a session names a new one', async () => {
    await withEngine(open(), async (engine) => {
      await ask(engine, productPrompt(1), { session: 's', context: ['product:1'] });
      await ask(engine, productPrompt(2), { session: 's', context: ['product:2'] });
      const left = await ask(engine, productPrompt(1), { cache: 'use-only' });
      expect(left).toMatchObject({ cachedTokens: 40, missReason: 'invalidated' });
      expect((await ask(engine, productPrompt(2), { cache: 'use-only' })).cachedTokens).toBe(74);
    });
  });

  it('ends an old version when a new one of the same text is asked about', async () => {
    await withEngine(open(), async (engine) => {
      await ask(engine, productPrompt(1), { tags: ['file:a.ts@1'] });
      await ask(engine, productPrompt(2), { tags: ['file:a.ts@2'] });
      expect(await ask(engine, productPrompt(1), { cache: 'use-only' })).toMatchObject({
        ...{ cachedTokens: 40, missReason: 'invalidated' },
      });
    });
  });

  it('finds nothing whose time is over', async () => {
    await withEngine(open(), async (engine) => {
      await ask(engine, productPrompt(1), { ttlMs: 30 });
      await new Promise((resolve) => setTimeout(resolve, 60));
      expect(await ask(engine, productPrompt(1), { ttlMs: 60_000 })).toMatchObject({
        ...{ cachedTokens: 0, missReason: 'expired' },
      });
      expect(await ask(engine, productPrompt(1))).toMatchObject({ cachedTokens: 74, missReason: 'none' });
    });
  });

  it('uses without storing, and does neither when it bypasses', async () => {
    await withEngine(open(), async (engine) => {
      expect(await ask(engine, productPrompt(1), { cache: 'use-only' })).toMatchObject({ storedTokens: 0 });
      expect(await keptPages(engine)).toBe(0);
      // The last token is never run, so it is not stored.
      expect(await ask(engine, productPrompt(1))).toMatchObject({ cachedTokens: 0, storedTokens: 76 });
      expect(await ask(engine, productPrompt(1), { cache: 'use-only' })).toMatchObject({ cachedTokens: 74 });
      expect(await ask(engine, productPrompt(1), { cache: 'bypass' })).toMatchObject({ missReason: 'bypass' });
    });
  });

  it('answers pins: granted, clipped and refused, with numbers, and unpins once', async () => {
    await withEngine(open({ pinBudgetPages: 4, pages: 200 }), async (engine) => {
      const absent = await engine.cache.pin(productPrompt(1));
      expect(absent).toEqual({ outcome: 'refused', reason: 'not-cached', neededPages: 5, availablePages: 4 });
      await ask(engine, productPrompt(1));
      const clipped = await engine.cache.pin(productPrompt(1));
      expect(clipped).toMatchObject({
        ...{ outcome: 'clipped', reason: 'budget', tokens: 4 * PAGE, newPages: 4, wantedTokens: 75, missingPages: 1 },
      });
      const usage = await ask(engine, productPrompt(2), { pin: true });
      expect(usage.pin).toMatchObject({ outcome: 'refused', reason: 'budget', availablePages: 0 });
      expect((await engine.cache.stats()).pages.pinned).toBe(4);
      const pin = clipped.outcome === 'refused' ? 0 : clipped.pin;
      expect([await engine.cache.unpin(pin), await engine.cache.unpin(pin)]).toEqual([true, false]);
      const warmed = await engine.warm([SYSTEM], { pin: true, tags: ['system'] });
      expect(warmed.pins).toMatchObject([{ outcome: 'granted', tokens: 40, newPages: 3 }]);
      expect(await engine.cache.invalidate({ tag: 'system' })).toMatchObject({ endedPins: 1 });
    });
  });

  it('tells what happens to the cache, in order, and from a number on', async () => {
    await withEngine(open(), async (engine) => {
      const events = engine.cache.events()[Symbol.asyncIterator]();
      const first = events.next();
      // Whoever listens is heard only once the engine knows.
      await engine.cache.stats();
      await ask(engine, productPrompt(1), { tags: ['x'] });
      await engine.cache.invalidate({ tag: 'x' });
      const kinds: string[] = [];
      let event = (await first).value;
      while (event.kind !== 'removed') {
        kinds.push(`${event.sequence} ${event.kind} ${event.kind === 'stored' ? event.tags : ''}`);
        event = (await events.next()).value;
      }
      expect(kinds.length).toBeGreaterThan(0);
      expect(kinds.every((kind, at) => kind === `${at + 1} stored x`)).toBe(true);
      expect(event).toMatchObject({ reason: 'invalidated', medium: 'memory', salt: '' });
      for await (const replayed of engine.cache.events({ after: 0 })) {
        expect(replayed.sequence).toBe(1);
        break;
      }
    });
  });

  it('names the prefixes that saved most', async () => {
    await withEngine(open(), async (engine) => {
      for (const product of [1, 1, 2, 3]) await ask(engine, productPrompt(product));
      const { topPrefixes, hitTokens } = await engine.cache.stats({ topPrefixes: 1 });
      expect(topPrefixes).toMatchObject([{ salt: '', ids: SYSTEM.slice(0, 32) }]);
      expect(hitTokens).toBe(74 + 40 + 40);
    });
  });

  it('keeps up to a message of a chat, where a breakpoint says so', async () => {
    await withEngine(open(), async (engine) => {
      const system = {
        role: 'system',
        content: 'You help in a shop that sells televisions, radios and cables of every length.',
      };
      const chat = (content: string, options: RequestOptions = {}) =>
        engine
          .chat({ messages: [system, { role: 'user', content }], maxTokens: 2, ignoreEos: true, ...options })
          .result();
      const first = await chat('Is it loud?', { breakpoints: [{ message: 0 }] });
      const { storedTokens, promptTokens } = first.usage;
      expect(storedTokens).toBeGreaterThan(0);
      expect(storedTokens).toBeLessThan(promptTokens);
      const second = await chat('How long is it?', { breakpoints: [{ message: 0 }] });
      expect(second.usage.cachedTokens).toBeGreaterThanOrEqual(storedTokens);
    });
  });

  it('lets one salt run as many as its quota says, and others beside it', async () => {
    await withEngine(open({ saltQuota: { maxRunning: 1 } }), async (engine) => {
      const salts = ['a', 'a', 'a', 'b'];
      const usages = await Promise.all(salts.map((salt, at) => ask(engine, productPrompt(at), { salt })));
      expect(usages.length).toBe(4);
      expect((await engine.stats()).kv.leases).toBe(0);
    });
  });

  it('refuses what makes no sense, with a sentence, and nothing is lost', async () => {
    await withEngine(open(), async (engine) => {
      const codes = async (options: object) =>
        (await engineErrorOf(ask(engine, SYSTEM, options as RequestOptions))).code;
      expect(await codes({ ttlMs: -1 })).toBe('INVALID_OPTION');
      expect(await codes({ slidingTtlMs: 1e15 })).toBe('INVALID_OPTION');
      expect(await codes({ ttlMs: Number.NaN })).toBe('INVALID_OPTION');
      expect(await codes({ context: ['x'] })).toBe('INVALID_REQUEST');
      expect(await codes({ tags: ['f@1', 'f@2'] })).toBe('INVALID_REQUEST');
      expect(await codes({ breakpoints: [{ message: 0 }] })).toBe('INVALID_OPTION');
      expect((await engineErrorOf(engine.cache.invalidate({}))).code).toBe('INVALID_OPTION');
      expect(await engine.cache.unpin(123)).toBe(false);
    });
  });
}
