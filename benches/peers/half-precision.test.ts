import { describe, expect, it } from 'vitest';
import { halfPrecision } from './half-precision.ts';

describe('halfPrecision', () => {
  it.each([
    [0.5, 0x3800],
    [-2, 0xc000],
    [1 + 2 ** -11 + 2 ** -12, 0x3c01],
    // Rounding carries into the exponent.
    [2 - 2 ** -12, 0x4000],
    [0, 0],
    // Subnormal: the smallest, and the one below the smallest normal number.
    [2 ** -24, 0x0001],
    [-1023 * 2 ** -24, 0x83ff],
    [2 ** -14, 0x0400],
  ])('writes %d as its bits', (value, bits) => {
    expect(halfPrecision(value)).toBe(bits);
  });

  it('refuses what halves cannot hold', () => {
    expect(() => halfPrecision(70_000)).toThrow('too large');
  });
});
