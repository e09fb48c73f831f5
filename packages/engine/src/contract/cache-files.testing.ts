/** The cache across restarts, and prompts that are computed ahead. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Engine, Message } from '../api.ts';
import {
  completeAll,
  engineErrorOf,
  expectGoldens,
  expectIdle,
  type OpenModel,
  shopkeeper,
  temporaryFolder,
  until,
  withEngine,
} from '../engine.testing.ts';

const goldens = shopkeeper.goldens.slice(0, 6);
const nowhere = '/nowhere/x';
const folder = temporaryFolder();
const system: Message = { role: 'system', content: 'You are a helpful store assistant. You answer in one sentence.' };

async function writtenBy(open: OpenModel, path: string): Promise<void> {
  await withEngine(open(), async (engine) => {
    await completeAll(engine, goldens);
    const written = await engine.cache.export(path);
    expect(written.pages).toBeGreaterThan(goldens.length);
  });
}

async function computedTokens(engine: Engine): Promise<number[]> {
  const results = await completeAll(engine, goldens);
  expectGoldens(results, goldens);
  return results.map(({ usage }) => usage.computedTokens);
}

export function describeCacheFiles(open: OpenModel): void {
  it('gives the golden tokens after a restart from a file, and computes one token a prompt', async () => {
    const path = join(folder, 'restart.cache');
    await writtenBy(open, path);
    await withEngine(open(), async (engine) => {
      const found = await engine.cache.import(path);
      expect(found.refusal).toBeUndefined();
      expect((await engine.stats()).kv.publishedPages).toBe(0);
      const results = await completeAll(engine, goldens);
      expectGoldens(results, goldens);
      expect(results.map(({ usage }) => usage.computedTokens)).toEqual(goldens.map(() => 1));
      for (const { usage } of results) {
        expect(usage.cachedFrom.memory + usage.cachedFrom.file).toBe(usage.cachedTokens);
      }
      expect(results[0]?.usage.cachedFrom.memory).toBe(0);
      // Once more: now they are in memory.
      const [again] = await completeAll(engine, goldens.slice(0, 1));
      expect(again?.usage.cachedFrom).toEqual({ memory: again?.usage.cachedTokens, file: 0 });
      const { cacheFile } = await engine.stats();
      expect(cacheFile).toMatchObject({ refusedPages: 0 });
      expect(cacheFile.loadedPages).toBeGreaterThan(goldens.length);
    });
  });

  it('gives the golden tokens from a file with damaged pages, and says how many it refused', async () => {
    const path = join(folder, 'damaged.cache');
    await writtenBy(open, path);
    const bytes = readFileSync(path);
    for (let at = 5000; at < bytes.length / 2; at += 40_000) bytes[at] = (bytes[at] as number) ^ 0x10;
    writeFileSync(path, bytes);
    await withEngine(open(), async (engine) => {
      expect((await engine.cache.import(path)).refusal).toBeUndefined();
      const computed = await computedTokens(engine);
      expect(Math.max(...computed)).toBeGreaterThan(1);
      expect((await engine.stats()).cacheFile.refusedPages).toBeGreaterThan(0);
    });
  });

  it('takes nothing from a file of other weights or pages, and says why', async () => {
    const path = join(folder, 'other.cache');
    await writtenBy(open, path);
    for (const [options, reason] of [
      [{ weights: 'q8' }, 'weights'],
      [{ pageSize: 8 }, 'page-size'],
    ] as const) {
      await withEngine(open(options), async (engine) => {
        expect(await engine.cache.import(path)).toMatchObject({ pages: 0, refusal: { reason } });
        const [result] = await completeAll(engine, goldens.slice(0, 1));
        expect(result?.usage.cachedTokens).toBe(0);
      });
    }
  });

  it('refuses files without a path, files that cannot be written, and engines that keep nothing', async () => {
    await withEngine(open(), async (engine) => {
      expect((await engineErrorOf(engine.cache.export(''))).message).toMatch(/no path: give the path of a file/);
      expect((await engineErrorOf(engine.cache.export(nowhere))).code).toBe('CACHE_FILE_UNWRITABLE');
      expect(await engine.cache.import(nowhere)).toMatchObject({ refusal: { reason: 'unreadable' } });
      expect((await engineErrorOf(engine.cache.openings(0))).message).toMatch(/most is 0/);
    });
    await withEngine(open({ kvCache: false }), async (engine) => {
      expect((await engineErrorOf(engine.cache.export(join(folder, 'none')))).message).toMatch(/keeps no K\/V/);
    });
  });

  it('warms prefixes with the template, so that conversations behind them compute only what is theirs', async () => {
    await withEngine(open(), async (engine) => {
      const seen: number[] = [];
      const onProgress = ({ done, total }: { done: number; total: number }) => seen.push(10 * done + total);
      const warmed = await engine.warm([{ messages: [system], prefix: true }, 'The price is'], { onProgress });
      expect(warmed).toMatchObject({ warmed: 2, pins: [] });
      expect(seen).toEqual([12, 22]);
      const asked = await engine.chat({ messages: [system, { role: 'user', content: 'Hi' }], maxTokens: 2 }).result();
      const systemTokens = warmed.computedTokens - (await engine.tokenize('The price is')).length;
      expect(asked.usage.cachedTokens).toBeGreaterThanOrEqual(systemTokens - 1);
    });
  });

  it('computes what is kept warm again after it was invalidated, and promises it again', async () => {
    await withEngine(open({ pinBudgetPages: 50 }), async (engine) => {
      const prompts = goldens.map(({ ids }) => ids);
      const options = { tags: ['opening'], pin: true, refresh: true } as const;
      await engine.warm(prompts, options);
      const before = (await engine.cache.stats()).pages.pinned;
      expect(before).toBeGreaterThan(goldens.length);
      const ended = await engine.cache.invalidate({ tag: 'opening' });
      expect(ended).toMatchObject({ endedPins: goldens.length });
      await until(async () => (await engine.cache.stats()).pins === goldens.length);
      expect((await engine.cache.stats()).pages.pinned).toBe(before);
      expect(await computedTokens(engine)).toEqual(goldens.map(() => 1));
    });
  });

  it('holds the pins of a file from its opening on', async () => {
    const path = join(folder, 'pins.cache');
    await withEngine(open({ pinBudgetPages: 50 }), async (engine) => {
      await engine.warm([goldens[0]?.ids ?? []], { pin: true });
      await engine.cache.export(path);
    });
    await withEngine(open({ pinBudgetPages: 50 }), async (engine) => {
      const { pins = [] } = await engine.cache.import(path);
      expect(pins.map(({ outcome }) => outcome)).toEqual(['granted']);
      expect((await engine.cache.stats()).pages.pinned).toBeGreaterThan(0);
    });
    await withEngine(open(), async (engine) => {
      expect((await engine.cache.import(path)).pins).toMatchObject([{ outcome: 'refused', reason: 'budget' }]);
    });
  });

  it('learns what prompts begin with, and takes it along in a file', async () => {
    const path = join(folder, 'openings.cache');
    const ask = (engine: Engine, content: string) =>
      engine.chat({ messages: [system, { role: 'user', content }], maxTokens: 1 }).result();
    await withEngine(open(), async (engine) => {
      for (const question of ['How much is it?', 'How heavy is it?', 'Is it new?']) await ask(engine, question);
      const [first] = await engine.cache.openings(1);
      expect(first?.count).toBe(3);
      expect(first?.ids.length).toBeGreaterThanOrEqual(16);
      expect(first?.text).toContain('You are a helpful store assistant');
      await engine.cache.export(path);
    });
    await withEngine(open(), async (engine) => {
      await engine.cache.import(path);
      await ask(engine, 'And now?');
      expect((await engine.cache.openings(1))[0]?.count).toBe(4);
      await expectIdle(engine);
    });
  });
}
