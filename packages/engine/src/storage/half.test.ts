import { describe, expect, it } from 'vitest';
import { fromHalf, toHalf } from './half.ts';

describe('half floats', () => {
  it('come back as they were, all 63,488 finite ones', () => {
    let count = 0;
    for (let half = 0; half < 1 << 16; half += 1) {
      const value = fromHalf(half);
      if (!Number.isFinite(value)) continue;
      count += 1;
      if (toHalf(value) !== half) expect([half, toHalf(value)]).toEqual([half, half]);
    }
    expect(count).toBe(63_488);
  });

  it('are rounded to the nearest, ties to even', () => {
    const step = 2 ** -10;
    const cases: [number, number][] = [
      [1 + 0.49 * step, 1],
      [1 + 0.5 * step, 1],
      [1 + 0.51 * step, 1 + step],
      [1 + 1.5 * step, 1 + 2 * step],
      [-1 - 1.5 * step, -1 - 2 * step],
      [2 ** -25, 0],
      [1.1 * 2 ** -25, 2 ** -24],
      [65504, 65504],
    ];
    for (const [value, rounded] of cases) expect(fromHalf(toHalf(value))).toBe(rounded);
  });

  it('are infinite where they are too large, and no number where there is none', () => {
    expect([65520, -1e6, Number.POSITIVE_INFINITY].map((value) => fromHalf(toHalf(value)))).toEqual([
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ]);
    expect(fromHalf(toHalf(Number.NaN))).toBeNaN();
  });
});
