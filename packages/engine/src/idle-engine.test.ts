/** An engine without traffic: what ends by time ends, and what is kept warm comes back. */
import type { KvEvent } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import type { Engine } from './api.ts';
import { expectIdle } from './engine.testing.ts';
import { FakeTime, openFakeAt, settled } from './fake-time.testing.ts';

const prompt = Array.from({ length: 20 }, (_, i) => (7 * i) % 61);

async function withFake(work: (engine: Engine, time: FakeTime) => Promise<void>, options = {}): Promise<void> {
  const time = new FakeTime();
  const engine = await openFakeAt(time, options);
  try {
    await work(engine, time);
    await expectIdle(engine);
  } finally {
    await engine.close();
  }
  expect(time.waiting).toBe(0);
}

/** Pages that are published, without a look that would let anything expire. */
async function pagesOf(engine: Engine): Promise<number> {
  return (await engine.stats()).kv.publishedPages;
}

describe('an engine without traffic', () => {
  it('gives the pages of what has expired back, and tells of it', async () => {
    await withFake(async (engine, time) => {
      const events: KvEvent[] = [];
      const stop = new AbortController();
      const reading = (async () => {
        for await (const event of engine.cache.events({ signal: stop.signal })) events.push(event);
      })().catch(() => {});
      await settled();
      await engine.generate({ ids: prompt, maxTokens: 4, ttlMs: 60_000 }).result();
      await engine.generate({ ids: [60, ...prompt], maxTokens: 4 }).result();
      const before = await pagesOf(engine);
      await time.turn(59_000);
      expect(await pagesOf(engine)).toBe(before);
      await time.turn(3_000);
      expect(await pagesOf(engine)).toBe(before - 6);
      const removed = events.flatMap((event) => (event.kind === 'removed' ? [event] : []));
      expect(removed.flatMap(({ keys }) => keys)).toHaveLength(6);
      expect(new Set(removed.map(({ reason }) => reason))).toEqual(new Set(['expired']));
      stop.abort();
      await reading;
    });
  });

  it('closes idle sessions', async () => {
    await withFake(
      async (engine, time) => {
        await engine.generate({ ids: prompt, maxTokens: 4, session: 'ada' }).result();
        await time.turn(10_000);
        expect(await pagesOf(engine)).toBe(6);
        await time.turn(22_000);
        expect((await engine.stats()).kv).toMatchObject({ publishedPages: 0, sessions: 0 });
      },
      { lifetimes: { sessionIdleMs: 30_000 } },
    );
  });

  it('goes on at once where there is more than one look ends', async () => {
    const count = 1_500;
    await withFake(
      async (engine, time) => {
        const ids = Array.from({ length: count }, (_, n) => [n % 61, Math.floor(n / 61), 1, 2]);
        await engine.warm(ids, { ttlMs: 500 });
        expect(await pagesOf(engine)).toBe(count);
        await time.turn(2_000);
        expect(await pagesOf(engine)).toBe(0);
      },
      { pages: 2 * count },
    );
  });

  it('sets no timer when there is nothing that could end, and none after its close', async () => {
    await withFake(async (engine, time) => {
      await settled();
      expect(time.waiting).toBe(0);
      await engine.generate({ ids: prompt, maxTokens: 4, ttlMs: 1_000 }).result();
      await settled();
      expect(time.waiting).toBe(1);
      await time.turn(3_000);
      expect(time.waiting).toBe(0);
    });
  });

  it('computes what is kept warm again: after it was invalidated, and after it has expired', async () => {
    await withFake(
      async (engine, time) => {
        const options = { tags: ['opening'], ttlMs: 60_000, pin: true, refresh: true } as const;
        const { pins } = await engine.warm([prompt, prompt.slice(3)], options);
        expect(pins.map(({ outcome }) => outcome)).toEqual(['granted', 'granted']);
        const ended = await engine.cache.invalidate({ tag: 'opening' });
        expect(ended).toMatchObject({ endedPins: 2 });
        expect(ended.pages).toBeGreaterThan(8);
        await settled();
        expect(await pagesOf(engine)).toBe(ended.pages);
        expect((await engine.cache.stats()).pins).toBe(2);
        await time.turn(70_000);
        expect((await engine.cache.stats()).pins).toBe(2);
        const { usage } = await engine.generate({ ids: prompt, maxTokens: 1 }).result();
        expect(usage).toMatchObject({ cachedTokens: 19, missReason: 'none' });
        // Once, and once more each time that it had ended.
        expect((await engine.stats()).computedTokens).toBe(3 * (20 + 17) + 1);
      },
      { pinBudgetPages: 20 },
    );
  });

  it('leaves what was warmed without refresh as it is', async () => {
    await withFake(async (engine, time) => {
      await engine.warm([prompt], { tags: ['opening'] });
      await engine.cache.invalidate({ tag: 'opening' });
      await time.turn(5_000);
      expect(await pagesOf(engine)).toBe(0);
    });
  });
});
