import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Candidates } from './candidates.ts';
import { normalLogits, propertyRuns } from './statistics.testing.ts';

/** Few different values, so that ties are common. */
const anyScores = fc
  .array(
    fc.oneof(
      fc.integer({ min: -3, max: 3 }),
      fc.double({ min: -9, max: 9, noNaN: true }),
      fc.constant(Number.NEGATIVE_INFINITY),
    ),
    {
      minLength: 1,
      maxLength: 400,
    },
  )
  .map((values) => Float64Array.from(values));

function sortedIds(scores: Float64Array): number[] {
  return Array.from(scores.keys()).sort((a, b) => {
    const difference = (scores[b] as number) - (scores[a] as number);
    return difference === 0 || Number.isNaN(difference) ? a - b : difference;
  });
}

const ascending = (ids: Iterable<number>) => [...ids].sort((a, b) => a - b);

describe('Candidates', () => {
  it('selects the first by score, and of equal scores those with lower ids', () => {
    fc.assert(
      fc.property(anyScores, fc.double({ min: 0, max: 1, noNaN: true }), (scores, share) => {
        const wanted = 1 + Math.floor(share * (scores.length - 1));
        const candidates = new Candidates(scores);
        expect(candidates.selectFirst(wanted)).toBe(wanted);
        const expected = sortedIds(scores).slice(0, wanted);
        expect(ascending(candidates.ids.subarray(0, wanted))).toEqual(ascending(expected));
        expect(candidates.lastOf(wanted)).toBe(expected.at(-1));
      }),
      { numRuns: propertyRuns },
    );
  });

  it('selects the shortest beginning that reaches a mass', () => {
    fc.assert(
      fc.property(anyScores, fc.integer({ min: 1, max: 100 }), (scores, percent) => {
        // Whole numbers have exact sums, so that there is one right answer in any order of adding.
        const rank = sortedIds(scores);
        const weights = new Float64Array(scores.length);
        for (const [place, id] of rank.entries()) weights[id] = Math.max(0, 1_000 - 7 * place);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const target = (percent / 100) * total;
        let sum = 0;
        const expected = rank.filter((id) => {
          const isNeeded = sum < target;
          sum += weights[id] as number;
          return isNeeded;
        });
        const candidates = new Candidates(scores);
        const count = candidates.selectMass(weights, candidates.selectAbove(weights, 0), target);
        expect(ascending(candidates.ids.subarray(0, count))).toEqual(ascending(expected));
      }),
      { numRuns: propertyRuns },
    );
  });

  it('selects no more than needed when the mass is reached exactly', () => {
    const scores = Float64Array.from({ length: 64 }, (_, id) => (id * 37) % 64);
    const weights = new Float64Array(64).fill(1);
    const candidates = new Candidates(scores);
    for (let target = 1; target <= 64; target += 1) {
      expect(candidates.selectMass(weights, candidates.selectAbove(weights, 0), target)).toBe(target);
    }
  });

  it('selects all when even all do not reach a mass', () => {
    const candidates = new Candidates(Float64Array.of(1, 2, 3));
    const weights = Float64Array.of(0.1, 0.2, 0.3);
    expect(candidates.selectMass(weights, candidates.selectAbove(weights, 0), 1)).toBe(3);
  });

  it.each([
    ['rising', (at: number) => at],
    ['falling', (at: number) => -at],
    ['all equal', () => 1],
    ['rising, then falling', (at: number) => -Math.abs(at - 25_000)],
  ])('takes linear time for scores that are %s', (_, scoreAt) => {
    const scores = Float64Array.from({ length: 50_000 }, (__, at) => scoreAt(at));
    const candidates = new Candidates(scores);
    const times = [0, 1, 2].map(() => {
      const begin = performance.now();
      candidates.selectFirst(25_000);
      return performance.now() - begin;
    });
    // Quadratic time would be a second or more.
    expect(Math.min(...times)).toBeLessThan(300);
    const expected = sortedIds(scores).slice(0, 25_000);
    expect(ascending(candidates.ids.subarray(0, 25_000))).toEqual(ascending(expected));
  });

  it('selects from scores as a model has them', () => {
    const scores = Float64Array.from(normalLogits(49_152, 3));
    const candidates = new Candidates(scores);
    expect(ascending(candidates.ids.subarray(0, candidates.selectFirst(40)))).toEqual(
      ascending(sortedIds(scores).slice(0, 40)),
    );
  });
});
