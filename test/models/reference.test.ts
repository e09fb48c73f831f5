import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Engine, type EngineOptions, openEngine } from '@octavo/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviation, fixtureFolder, readGoldens } from './fixtures.ts';
import { goldenCases } from './golden-cases.ts';
import { referenceLogits } from './reference/models.ts';
import { RandomTensors, readConfig, storedTensors } from './reference/tensors.ts';
import { referenceCases } from './reference-cases.ts';

const TOLERANCE = 2e-5;
/** Crosses pages, chunks and every window of the cases. */
const TOKENS = 30;
/** Where the second best logit is as close as this, the best one may change places with it. */
const MARGIN = 1e-4;

/** Any ids will do: the models are random. */
const ids = Array.from({ length: TOKENS }, (_, at) => (at * at * 7 + 11 * at + 3) % 96);

function largestAt(row: Float64Array): number {
  return row.indexOf(row.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY));
}

/** The best id, or none where it is not clear. */
function clearBest(row: Float64Array): number | undefined {
  const [best = 0, second = 0] = [...row].sort((left, right) => right - left);
  const largest = row.reduce((most, logit) => Math.max(most, Math.abs(logit)), 0);
  return best - second > MARGIN * largest ? largestAt(row) : undefined;
}

describe('the float64 reference', () => {
  it.each(goldenCases)('gives the golden logits of $fixture', ({ fixture }) => {
    const folder = fixtureFolder(fixture);
    const [, short, middle] = readGoldens(fixture);
    for (const golden of [short!, middle!]) {
      const logits = referenceLogits({ config: readConfig(folder), tensors: storedTensors(folder), ids: golden.ids });
      expect(deviation([...logits.at(-1)!], golden.lastLogits)).toBeLessThan(1e-6);
      expect(logits.map(largestAt)).toEqual(golden.allPositionsArgmax);
    }
  });
});

describe.each(referenceCases)('$architecture: $about', ({ architecture, config, contextTokens }) => {
  let folder: string;
  let expected: readonly Float64Array[];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'octavo-reference-'));
    const tensors = new RandomTensors(architecture.length);
    expected = referenceLogits({ config, tensors, ids, ...(contextTokens === undefined ? {} : { contextTokens }) });
    tensors.write(join(folder, 'model'), { ...config, architectures: [architecture] });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function withEngine<T>(options: EngineOptions, run: (engine: Engine) => Promise<T>): Promise<T> {
    const context = contextTokens === undefined ? {} : { contextTokens };
    const common = { mode: 'in-thread', cacheFolder: join(folder, 'cache'), threads: 1, pages: 64 } as const;
    const engine = await openEngine(join(folder, 'model'), { ...common, ...context, ...options });
    try {
      return await run(engine);
    } finally {
      expect(await engine.audit()).toEqual([]);
      await engine.close();
    }
  }

  it('gives its logits, in chunks over pages of 4 tokens', async () => {
    const options = { pageSize: 4, tokenBudget: 13, verifyPlans: true };
    const [cold, warm] = await withEngine(options, async (engine) => {
      const scored = await engine.score({ ids });
      // Its first pages are shared now.
      const cached = await engine.generate({ ids, maxTokens: 1, ignoreEos: true }).result();
      const again = await engine.generate({ ids, maxTokens: 1, ignoreEos: true }).result();
      expect(again.usage.computedTokens).toBe(1);
      return [scored, [cached.ids[0], again.ids[0]]] as const;
    });
    expect(deviation(cold.lastLogits, [...expected.at(-1)!])).toBeLessThan(TOLERANCE);
    const clear = expected.map(clearBest);
    expect(clear.filter((id) => id !== undefined).length).toBeGreaterThan(TOKENS / 2);
    expect(cold.argmax.map((id, at) => (clear[at] === undefined ? undefined : id))).toEqual(clear);
    if (clear.at(-1) !== undefined) expect(warm).toEqual([clear.at(-1), clear.at(-1)]);
  });
});
