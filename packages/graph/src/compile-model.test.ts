import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compileModel } from './compile-model.ts';
import { GraphSession } from './ort.testing.ts';
import { generate, PagedDriver } from './paged-driver.testing.ts';

interface Golden {
  readonly prompts: readonly { ids: number[]; greedy: number[]; lastLogits: number[]; allPositionsArgmax: number[] }[];
}

const folder = new URL('../../../test/fixtures/llama', import.meta.url).pathname;
const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as Golden;

/** Largest difference as a part of the largest expected magnitude. */
function deviation(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let largest = 0;
  let difference = 0;
  for (let index = 0; index < expected.length; index += 1) {
    largest = Math.max(largest, Math.abs(expected[index] as number));
    difference = Math.max(difference, Math.abs((actual[index] as number) - (expected[index] as number)));
  }
  return difference / largest;
}

describe('a compiled graph of the llama fixture', () => {
  let cache: string;
  let session: GraphSession;
  beforeAll(async () => {
    cache = mkdtempSync(join(tmpdir(), 'octavo-graph-'));
    session = await GraphSession.open(await compileModel(folder, { levels: 3, cacheFolder: cache }));
  });
  afterAll(async () => {
    await session.close();
    rmSync(cache, { recursive: true });
  });

  const ways = [
    { pageSize: 16, chunkTokens: 1000 },
    { pageSize: 1, chunkTokens: 7 },
    { pageSize: 4, chunkTokens: 1 },
    { pageSize: 16, chunkTokens: 7, cut: [1, 2] },
    { pageSize: 64, chunkTokens: 33 },
    { pageSize: 4, chunkTokens: 40, cut: [3] },
  ];
  it.each(ways)('meets the goldens with pages of $pageSize tokens and chunks of $chunkTokens (levels cut at $cut)', async (way) => {
    const { prompts } = golden;
    expect(prompts).toHaveLength(4);
    for (const prompt of prompts) {
      const driver = new PagedDriver(session, { pages: 160, pageSize: way.pageSize });
      const made = await generate(driver, prompt.ids, { count: 24, ...way });
      expect(made.argmax).toEqual(prompt.allPositionsArgmax);
      expect(made.ids).toEqual(prompt.greedy);
      expect(deviation(made.lastLogits, prompt.lastLogits)).toBeLessThan(1e-5);
    }
  });
});
