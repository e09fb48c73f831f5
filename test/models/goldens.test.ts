import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Engine, openEngine } from '@octavo/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportCases } from './export-cases.ts';
import { deviation, fixtureFolder, readGoldens } from './fixtures.ts';
import { goldenCases } from './golden-cases.ts';

/** The fixtures allow 2e-3; this tells the two forms of GELU apart. */
const TOLERANCE = 5e-5;

const pageSizes = [4, 16];
const models = [
  ...goldenCases.map(({ architecture, fixture, stored }) => ({
    name: `${architecture} in ${stored}`,
    fixture,
    model: fixtureFolder(fixture),
  })),
  ...exportCases.map(({ architecture, fixture, attention, weights }) => ({
    name: `${architecture} exported with ${attention}, ${weights}`,
    fixture,
    model: { folder: fixtureFolder(fixture), onnxFile: join(fixtureFolder(fixture), 'onnx/model.onnx') },
  })),
];
const cases = models.flatMap((one) => pageSizes.map((pageSize) => ({ ...one, pageSize })));

describe.each(cases)('$name, pages of $pageSize tokens', ({ fixture, model, pageSize }) => {
  const goldens = readGoldens(fixture);
  let cacheFolder: string;
  let engine: Engine;
  beforeAll(async () => {
    cacheFolder = mkdtempSync(join(tmpdir(), 'octavo-goldens-'));
    // A budget that cuts the longest prompt into chunks of many lengths when it is in a batch.
    const options = { pageSize, cacheFolder, tokenBudget: 50, verifyPlans: true, threads: 1 } as const;
    engine = await openEngine(model, { mode: 'in-thread', ...options });
  });
  afterAll(async () => {
    expect(await engine.audit()).toEqual([]);
    await engine.close();
    rmSync(cacheFolder, { recursive: true });
  });

  const generate = (ids: readonly number[], cache: 'share' | 'bypass') =>
    engine.generate({ ids, maxTokens: 24, ignoreEos: true, cache }).result();

  it('gives the golden ids cold, and again when prompt and answer are cached', async () => {
    for (const { ids, greedy } of goldens) {
      const cold = await generate(ids, 'share');
      expect(cold.ids).toEqual(greedy);
      const warm = await generate(ids, 'share');
      expect(warm.ids).toEqual(greedy);
      expect(warm.usage.computedTokens).toBe(1);
    }
  });

  it('gives the golden ids in a mixed batch, with and without sharing', async () => {
    const twice = [...goldens, ...goldens];
    const answers = await Promise.all(twice.map(({ ids }, at) => generate(ids, at % 2 === 0 ? 'share' : 'bypass')));
    expect(answers.map(({ ids }) => ids)).toEqual(twice.map(({ greedy }) => greedy));
  });

  it('goes on right after a prompt of any length up to 120, all of them together', async () => {
    const { ids, allPositionsArgmax } = goldens.at(-1)!;
    expect(ids.length).toBe(120);
    const prompts = ids.map((_, at) => ids.slice(0, at + 1));
    const answers = await Promise.all(
      prompts.map((prompt) =>
        engine.generate({ ids: prompt, maxTokens: 1, ignoreEos: true, salt: 'lengths' }).result(),
      ),
    );
    expect(answers.map((answer) => answer.ids[0])).toEqual(allPositionsArgmax);
  });

  it('gives the golden logits and the argmax of every position', async () => {
    for (const { ids, lastLogits, allPositionsArgmax } of goldens) {
      const scored = await engine.score({ ids });
      expect(scored.argmax).toEqual(allPositionsArgmax);
      expect(deviation(scored.lastLogits, lastLogits)).toBeLessThan(TOLERANCE);
    }
  });
});
