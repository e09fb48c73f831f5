import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviation } from './compare.testing.ts';
import { compileModel } from './compile-model.ts';
import type { WeightFormat } from './compiled-model.ts';
import { GraphSession } from './ort.testing.ts';
import { PagedDriver, type TestSequence, type WorkResult } from './paged-driver.testing.ts';

interface Golden {
  readonly prompts: readonly {
    readonly token_ids: number[];
    readonly greedy_token_ids: number[];
    readonly top10: [number, number][];
  }[];
}

const folder = new URL('../../octavo/model/shopkeeper', import.meta.url).pathname;
const { prompts } = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Golden;
const END = 2;

let cacheFolder: string;
beforeAll(() => {
  cacheFolder = mkdtempSync(join(tmpdir(), 'octavo-shopkeeper-'));
});
afterAll(() => rmSync(cacheFolder, { recursive: true }));

/** The 48 greedy ids of every prompt, all sequences decoding together. */
async function answerAll(weights: WeightFormat): Promise<{ ids: number[][]; firstLogits: Float32Array[] }> {
  const session = await GraphSession.open(await compileModel(folder, { levels: 3, cacheFolder, weights }));
  const driver = new PagedDriver(session, { pages: 400, pageSize: 16 });
  const sequences = prompts.map(() => driver.sequence());
  const firstLogits: Float32Array[] = [];
  const ids: number[][] = [];
  for (const [index, { token_ids: tokens }] of prompts.entries()) {
    const [result] = await driver.step([{ sequence: sequences[index] as TestSequence, tokens }]);
    firstLogits.push((result as WorkResult).lastLogits);
    ids.push([(result as WorkResult).argmax.at(-1) as number]);
  }
  for (let count = 1; count < 48; count += 1) {
    const work = sequences.map((sequence, index) => ({ sequence, tokens: [ids[index]?.at(-1) as number] }));
    const results = await driver.step(work);
    for (const [index, { argmax }] of results.entries()) ids[index]?.push(argmax[0] as number);
  }
  await session.close();
  return { ids, firstLogits };
}

describe('the compiled shopkeeper', () => {
  it('answers as its goldens do, from bfloat16 weights widened to float32', async () => {
    const { ids, firstLogits } = await answerAll('f32');
    expect(ids).toHaveLength(20);
    expect(ids).toEqual(prompts.map(({ greedy_token_ids: greedy }) => greedy));
    prompts.forEach(({ top10 }, index) => {
      const logits = top10.map(([token]) => firstLogits[index]?.[token] as number);
      const expected = top10.map(([, logit]) => logit);
      expect(deviation(logits, expected)).toBeLessThan(1e-5);
    });
  });

  // Measured: 20 of 20 with each; the slack is for processors whose integer products round otherwise.
  const formats = [
    ['q8', 18],
    ['q4', 16],
    ['w8a8', 18],
  ] as const;
  it.each(formats)('gives mostly the same answers with %s weights', async (weights, least) => {
    const { ids } = await answerAll(weights);
    const answerOf = (given: readonly number[]) => given.slice(0, given.indexOf(END)).join();
    const same = ids.filter((given, index) => answerOf(given) === answerOf(prompts[index]?.greedy_token_ids ?? []));
    expect(ids).toHaveLength(20);
    expect(same.length).toBeGreaterThanOrEqual(least);
  });
});
