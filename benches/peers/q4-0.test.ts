import { describe, expect, it } from 'vitest';
import { Q4_0_BLOCK, quantizeQ40 } from './q4-0.ts';

describe('quantizeQ40', () => {
  it('keeps what 4 bits can hold, with the largest number as -8 times the scale', () => {
    // Scale 0.5: codes are value / 0.5 + 8.
    const block = Float32Array.from({ length: Q4_0_BLOCK }, (_, at) => (at % 16) * 0.5 - 4);
    const bytes = quantizeQ40(block);
    expect(bytes).toHaveLength(18);
    // 0.5 in half precision, little-endian.
    expect([...bytes.subarray(0, 2)]).toEqual([0x00, 0x38]);
    // Numbers 0 to 15 in the low halves, 16 to 31 in the high ones; both run through all codes.
    expect([...bytes.subarray(2)]).toEqual(Array.from({ length: 16 }, (_, code) => code | (code << 4)));
  });

  it('is off by half a scale at most, except beside the missing +8', () => {
    const elements = Float32Array.from({ length: 64 }, (_, at) => Math.sin(at * 1.7) * 3);
    const bytes = quantizeQ40(elements);
    for (let block = 0; block < 2; block++) {
      const numbers = elements.subarray(block * 32, block * 32 + 32);
      const extreme = numbers.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0);
      const scale = extreme / -8;
      for (const [at, x] of numbers.entries()) {
        const byte = bytes[block * 18 + 2 + (at % 16)] as number;
        const code = at < 16 ? byte & 15 : byte >> 4;
        const allowed = code === 15 ? Math.abs(scale) : Math.abs(scale) * 0.501;
        expect(Math.abs((code - 8) * scale - x)).toBeLessThanOrEqual(allowed);
      }
    }
  });
});
