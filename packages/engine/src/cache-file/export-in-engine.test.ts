/** Exports of a running engine: requests go on, and a process that is killed leaves a file that is whole. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Engine } from '../api.ts';
import { expectIdle, temporaryFolder } from '../engine.testing.ts';
import { FakeRunner, fakeCompletion } from '../fake-runner.ts';
import { openEngineWith } from '../open-engine.ts';
import { readCacheFile } from './cache-tree.ts';

const folder = temporaryFolder();
const pages = 1_000;
/** Large rows: a prompt of 100 tokens takes 600 kB. */
const shape = { headDim: 192 };
const promptOf = (n: number) => Array.from({ length: 100 }, (_, i) => (i < 4 ? n >> (4 * i) : n * i) % 61);

function openFake(): Promise<Engine> {
  return openEngineWith({ runner: new FakeRunner({ shape }) }, { pages, pageSize: 4, maxSequences: 32 });
}

async function filled(engine: Engine, prompts: number): Promise<void> {
  await engine.warm(Array.from({ length: prompts }, (_, n) => promptOf(n)));
}

describe('an engine that exports its cache', () => {
  it('gives out tokens meanwhile, a step after each part that it writes', async () => {
    const engine = await openFake();
    await filled(engine, 16);
    const generation = engine.generate({ ids: [7, 7, 7], maxTokens: 100 });
    const arrivals: ('token' | 'written')[] = [];
    const reading = (async () => {
      for await (const { ids } of generation) for (const _ of ids) arrivals.push('token');
    })();
    await expect.poll(() => arrivals.length).toBeGreaterThan(0);
    const before = arrivals.length;
    const { pages: written, bytes } = await engine.cache.export(join(folder, 'busy.cache'));
    const during = arrivals.length - before;
    // 1 MiB a part: a step after each.
    expect(written).toBeGreaterThan(300);
    expect(bytes).toBeGreaterThan(8 * 2 ** 20);
    expect(during).toBeGreaterThanOrEqual(Math.floor(bytes / 2 ** 20));
    expect(during).toBeLessThan(100);
    await reading;
    expect((await generation.result()).ids).toEqual(fakeCompletion([7, 7, 7], 100));
    await expectIdle(engine);
    await engine.close();
  });

  it('does one export or import after the other, and an unpin after them', async () => {
    const engine = await openEngineWith(
      { runner: new FakeRunner({ shape }) },
      { pages, pageSize: 4, pinBudgetPages: 100 },
    );
    await filled(engine, 8);
    const pinned = await engine.cache.pin(promptOf(3));
    if (pinned.outcome !== 'granted') throw new Error('not granted');
    const [first, second] = [join(folder, 'first.cache'), join(folder, 'second.cache')];
    const all = [engine.cache.export(first), engine.cache.unpin(pinned.pin), engine.cache.export(second)] as const;
    const [, isUnpinned] = await Promise.all(all);
    expect(isUnpinned).toBe(true);
    const pinsIn = async (path: string) => (await engine.cache.import(path)).pins?.length ?? 0;
    expect([await pinsIn(first), await pinsIn(second)]).toEqual([1, 0]);
    await expectIdle(engine);
    await engine.close();
  });

  it('leaves nothing but what was there when it is closed in the middle of one', async () => {
    const engine = await openFake();
    await filled(engine, 16);
    const path = join(folder, 'closed.cache');
    const exporting = engine.cache.export(path).catch(({ code }) => code);
    // A part of it is written by then.
    while (!existsSync(`${path}.partial`)) await new Promise((resolve) => setImmediate(resolve));
    await engine.close();
    expect(await exporting).toBe('ENGINE_CLOSED');
    expect([path, `${path}.partial`].map((file) => existsSync(file))).toEqual([false, false]);
  });
});

describe('a process that is killed while it writes', () => {
  /** Writes the file once, says so, and goes on writing it, each time with more prompts, until it is killed. */
  function writer(path: string): ChildProcess {
    const library = new URL('../../dist/index.js', import.meta.url).href;
    const script = `
      const { FakeRunner, openEngineWith } = await import(${JSON.stringify(library)});
      const promptOf = ${promptOf.toString()};
      const shape = ${JSON.stringify(shape)};
      const engine = await openEngineWith({ runner: new FakeRunner({ shape }) }, { pages: ${pages}, pageSize: 4, maxSequences: 32 });
      await engine.warm(Array.from({ length: 12 }, (_, n) => promptOf(n)));
      for (let n = 12; ; n += 1) {
        await engine.cache.export(${JSON.stringify(path)});
        if (n === 12) console.log('ready');
        if (n < 24) await engine.warm([promptOf(n)]);
      }`;
    return spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  it('leaves the old file or the new one, whole, at whatever moment it dies', async () => {
    const kills = Number(process.env.OCTAVO_KILLS ?? 3);
    let partial = 0;
    for (let kill = 0; kill < kills; kill += 1) {
      const path = join(folder, `killed-${kill}.cache`);
      const child = writer(path);
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      // Somewhere in an export: they follow one another.
      await new Promise((resolve) => setTimeout(resolve, 150 * Math.random()));
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      if (existsSync(`${path}.partial`)) partial += 1;
      const view = readCacheFile(path);
      expect(view).toMatchObject({ ok: true });
      const engine = await openFake();
      const found = await engine.cache.import(path);
      expect(found).not.toHaveProperty('refusal');
      for (let n = 0; n < 12; n += 3) {
        const { ids, usage } = await engine.generate({ ids: promptOf(n), maxTokens: 4 }).result();
        expect(ids).toEqual(fakeCompletion(promptOf(n), 4));
        expect(usage).toMatchObject({ cachedTokens: 99, cachedFrom: { file: 99 - usage.cachedFrom.memory } });
        expect(usage.cachedFrom.file).toBeGreaterThan(50);
      }
      expect((await engine.stats()).cacheFile.refusedPages).toBe(0);
      await expectIdle(engine);
      await engine.close();
    }
    // Else they died at other moments than they should.
    expect(partial).toBeGreaterThan(0);
  }, 60_000);
});
