import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referenceSampling, resolve } from './reference-sampling.testing.ts';
import { normalLogits, propertyRuns } from './statistics.testing.ts';
import { TokenFilter } from './token-filter.ts';
import { argmaxOf } from './token-sampler.ts';

/** Few different values, so that ties are common; at least one is finite. */
const anyLogits = fc
  .array(
    fc.oneof(
      fc.integer({ min: -2, max: 4 }),
      fc.float({ min: -6, max: 6, noNaN: true }),
      fc.constant(Number.NEGATIVE_INFINITY),
    ),
    {
      maxLength: 80,
    },
  )
  .map((logits) => Float32Array.from([0.5, ...logits]));
const anyFilters = fc.record({
  temperature: fc.constantFrom(0.3, 0.7, 1, 1.5),
  topK: fc.constantFrom(0, 0, 1, 3, 8, 29, 30, 500),
  topP: fc.constantFrom(1, 1, 0.95, 0.8, 0.5, 0.1, 1e-9),
  minP: fc.constantFrom(0, 0, 0.05, 0.3, 1),
});

function filtered(logits: Float32Array, sampling: ReturnType<typeof resolve>) {
  const filter = new TokenFilter(Float64Array.from(logits));
  const count = filter.filter(sampling, argmaxOf(logits));
  const ids = Array.from(filter.ids.subarray(0, count));
  const total = ids.reduce((sum, id) => sum + (filter.weights[id] as number), 0);
  return { ids, probabilities: ids.map((id) => (filter.weights[id] as number) / total) };
}

describe('TokenFilter', () => {
  it('keeps exactly the tokens that the definitions keep, with their probabilities', () => {
    let checked = 0;
    fc.assert(
      fc.property(anyLogits, anyFilters, (logits, filters) => {
        const sampling = resolve(filters);
        const expected = referenceSampling(logits, sampling);
        if (expected.isOnTheEdge) return;
        checked += 1;
        const { ids, probabilities } = filtered(logits, sampling);
        expect(ids).toEqual(expected.kept);
        for (const [place, id] of ids.entries()) {
          expect(probabilities[place]).toBeCloseTo(expected.probabilities[id] as number, 12);
        }
      }),
      { numRuns: propertyRuns },
    );
    expect(checked).toBeGreaterThan(propertyRuns / 2);
  });

  it.each([
    [{ topK: 40, topP: 0.95 }],
    [{ topP: 0.6 }],
    [{ topP: 0.999 }],
    [{ topK: 5_000, minP: 0.001 }],
    [{ minP: 0.02 }],
  ])('keeps the same in a vocabulary as large as real ones: %j', (options) => {
    for (const deviation of [0.01, 2, 6]) {
      const logits = normalLogits(49_152, 21, deviation);
      const sampling = resolve({ ...options, temperature: 1 });
      const expected = referenceSampling(logits, sampling);
      expect(expected.isOnTheEdge).toBe(false);
      expect(filtered(logits, sampling).ids).toEqual(expected.kept);
    }
  });

  it('keeps the one most probable token at least', () => {
    const logits = Float32Array.of(1, 2, 2, 1);
    expect(filtered(logits, resolve({ temperature: 1, topP: 1e-9 })).ids).toEqual([1]);
    expect(filtered(logits, resolve({ temperature: 1, topK: 1 })).ids).toEqual([1]);
    expect(filtered(logits, resolve({ temperature: 1, minP: 1 })).ids).toEqual([1, 2]);
  });

  it('leaves out tokens whose probability vanishes, also when top-k asks for more', () => {
    const logits = Float32Array.of(Number.NEGATIVE_INFINITY, 5, -2_000, 4, Number.NEGATIVE_INFINITY);
    expect(filtered(logits, resolve({ temperature: 1, topK: 4 })).ids).toEqual([1, 3]);
    expect(filtered(logits, resolve({ temperature: 1 })).ids).toEqual([1, 3]);
  });
});
