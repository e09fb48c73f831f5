import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { llama, shopkeeper, temporaryFolder } from '../engine.testing.ts';
import type { ModelRunner } from '../model-runner.ts';
import { openEngine } from '../open-engine.ts';
import { MANY_ROWS, RowCountRunner } from './row-count-runner.ts';

const cacheFolder = temporaryFolder();

function counting(log: string[], name: string): ModelRunner {
  return {
    candidateCount: 7,
    shape: { name } as unknown as ModelRunner['shape'],
    run: (plan) => {
      log.push(`${name} ${plan.rowCount}`);
      return Promise.resolve({} as Awaited<ReturnType<ModelRunner['run']>>);
    },
    dispose: () => {
      log.push(`${name} disposed`);
      return Promise.resolve();
    },
  };
}

describe('RowCountRunner', () => {
  it('gives steps of few rows to one runner and those of many to the other, and disposes of both once', async () => {
    const log: string[] = [];
    const runner = new RowCountRunner(counting(log, 'few'), counting(log, 'many'));
    expect(runner).toMatchObject({ candidateCount: 7, shape: { name: 'few' } });
    for (const rowCount of [1, MANY_ROWS - 1, MANY_ROWS, 500]) {
      await runner.run({ rowCount } as Parameters<ModelRunner['run']>[0], {} as never, new Int32Array(0), 0);
    }
    await Promise.all([runner.dispose(), runner.dispose()]);
    const ran = ['few 1', `few ${MANY_ROWS - 1}`, `many ${MANY_ROWS}`, 'many 500'];
    expect(log).toEqual([...ran, 'few disposed', 'many disposed']);
  });

  it('disposes of the first when the second cannot be opened, and throws what that one threw', async () => {
    const log: string[] = [];
    const open = RowCountRunner.open(
      () => Promise.resolve(counting(log, 'few')),
      () => Promise.reject(new Error('no such graph')),
    );
    await expect(open).rejects.toThrow('no such graph');
    expect(log).toEqual(['few disposed']);
  });

  it('disposes of the second also when the first fails at it', async () => {
    const log: string[] = [];
    const few = { ...counting(log, 'few'), dispose: () => Promise.reject(new Error('stuck')) };
    await expect(new RowCountRunner(few, counting(log, 'many')).dispose()).rejects.toThrow('stuck');
    expect(log).toEqual(['many disposed']);
  });
});

describe('an engine with q4+w8a8 weights', () => {
  const open = (options: object) =>
    openEngine(shopkeeper.folder, { mode: 'in-thread', weights: 'q4+w8a8', cacheFolder, ...options });

  it('scores a prompt with its 8-bit codes as with its 4 bits, but for what 8 bits round', async () => {
    const ids = shopkeeper.goldens[0]?.ids ?? [];
    const logits: (readonly number[])[] = [];
    for (const options of [
      { weights: 'q4' },
      {},
      { tokenBudget: MANY_ROWS - 1, maxSequences: 1 },
      { weights: 'f32' },
    ]) {
      const engine = await open(options);
      logits.push((await engine.score({ ids })).lastLogits);
      await engine.close();
    }
    const [q4, many, few, floats] = logits as [number[], number[], number[], number[]];
    const spread = Math.max(...q4) - Math.min(...q4);
    const apart = (one: number[], other: number[]) =>
      Math.max(...one.map((x, at) => Math.abs(x - other[at]!))) / spread;
    // Steps of few rows are those of q4, but for the order of sums; steps of many are neither q4's nor those of floats.
    expect(apart(few, q4)).toBeLessThan(0.01);
    expect(apart(many, q4)).toBeGreaterThan(apart(few, q4));
    expect(apart(many, q4)).toBeLessThan(0.03);
    expect(apart(many, floats)).toBeGreaterThan(2 * apart(many, q4));
  });

  it('says what it runs, and keeps the graph of q4 for engines that want that alone', async () => {
    const folder = temporaryFolder();
    const engine = await openEngine(llama.folder, { mode: 'in-thread', weights: 'q4', cacheFolder: folder });
    const { expectedBytes } = engine.info;
    await engine.close();
    expect(readdirSync(folder)).toHaveLength(1);
    const both = await openEngine(llama.folder, { mode: 'in-thread', weights: 'q4+w8a8', cacheFolder: folder });
    expect(both.info.weights).toBe('q4+w8a8');
    expect(both.info.expectedBytes).toBeGreaterThan(expectedBytes);
    await both.close();
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it('refuses deterministic runs and ONNX exports, with what to give instead', async () => {
    await expect(open({ deterministic: true })).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    const opening = openEngine(shopkeeper.folder, {
      mode: 'in-thread',
      weights: 'q4+w8a8',
      file: 'onnx/model.onnx',
      cacheFolder,
    });
    await expect(opening).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringMatching(/holds f32 weights/),
    });
  });
});
