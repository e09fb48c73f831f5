/** Logits and log probabilities of given tokens. */
import { expect, it } from 'vitest';
import { completeAll, expectGoldens, llama, type OpenModel, shopkeeper, withEngine } from '../engine.testing.ts';

export function describeScoring(open: OpenModel): void {
  it('gives the golden logits, within 2e-3 of the largest', async () => {
    await withEngine(open({ tokenBudget: 50 }, llama.folder), async (engine) => {
      for (const golden of llama.goldens) {
        const score = await engine.score({ ids: golden.ids });
        expect(score.argmax).toEqual(golden.argmax);
        expect(largestDistance(score.lastLogits, golden.lastLogits)).toBeLessThan(2e-3 * largest(golden.lastLogits));
        expect(score.logprobs).toHaveLength(golden.ids.length - 1);
        expect('perplexity' in score).toBe(golden.ids.length > 1);
      }
    });
    await withEngine(open(), async (engine) => {
      for (const { ids, top10 } of shopkeeper.goldens) {
        const { lastLogits } = await engine.score({ ids });
        const logits = top10.map(([, logit]) => logit);
        const scored = top10.map(([id]) => lastLogits[id] as number);
        expect(largestDistance(scored, logits)).toBeLessThan(2e-3 * largest(logits));
      }
    });
  });

  it('scores the same with and without a cache, alone and beside generations', async () => {
    const [golden] = llama.goldens.slice(-1) as [(typeof llama.goldens)[number]];
    const baseline = await withEngine(open({ kvCache: false }, llama.folder), (engine) =>
      engine.score({ ids: golden.ids }),
    );
    await withEngine(open({ tokenBudget: 32 }, llama.folder), async (engine) => {
      const [score, results] = await Promise.all([
        engine.score({ ids: golden.ids }),
        completeAll(engine, llama.goldens),
      ]);
      expectGoldens(results, llama.goldens);
      expect(largestDistance(score.logprobs, baseline.logprobs)).toBeLessThan(1e-3);
      expect(score.perplexity).toBeCloseTo(baseline.perplexity as number, 2);
    });
  });
}

function largest(column: readonly number[]): number {
  return Math.max(...column.map(Math.abs));
}

function largestDistance(left: readonly number[], right: readonly number[]): number {
  expect(left).toHaveLength(right.length);
  return Math.max(...left.map((value, i) => Math.abs(value - (right[i] as number))));
}
