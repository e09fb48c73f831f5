import { describe, expect, it } from 'vitest';
import { confidence95, fitExponent, fitLine, median, percentile } from './statistics.ts';

describe('statistics', () => {
  it('interpolates percentiles, whatever the order of the samples', () => {
    expect(median([4, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(percentile([10, 20], 0.95)).toBeCloseTo(19.5);
    expect(() => median([])).toThrow('no samples');
  });

  it('gives the interval of a textbook example', () => {
    // Mean 5, standard deviation 1.5811, n 5, t 2.776: 5 +- 1.963.
    const { low, high } = confidence95([3, 4, 5, 6, 7]);
    expect(low).toBeCloseTo(3.037, 3);
    expect(high).toBeCloseTo(6.963, 3);
  });

  it('finds the line and the power that points were made from', () => {
    const line = fitLine([1, 2, 5].map((x) => ({ x, y: 3 + 2 * x })));
    expect(line.intercept).toBeCloseTo(3);
    expect(line.slope).toBeCloseTo(2);
    expect(fitExponent([1, 10, 100].map((x) => ({ x, y: 7 * x ** 0.5 })))).toBeCloseTo(0.5);
  });
});
