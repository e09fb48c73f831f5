import { describe, expect, it } from 'vitest';
import { Q8_0_BLOCK, quantizeQ80 } from './q8-0.ts';

describe('quantizeQ80', () => {
  it('keeps what 8 bits can hold, with the largest magnitude as 127 times the scale', () => {
    // Scale 0.5: codes are value / 0.5.
    const codes = Array.from({ length: Q8_0_BLOCK }, (_, at) => (at === 5 ? -127 : 4 * at - 60));
    const bytes = quantizeQ80(Float32Array.from(codes, (code) => code * 0.5));
    expect(bytes).toHaveLength(34);
    // 0.5 in half precision, little-endian.
    expect([...bytes.subarray(0, 2)]).toEqual([0x00, 0x38]);
    expect([...new Int8Array(bytes.buffer, 2, Q8_0_BLOCK)]).toEqual(codes);
  });

  it('is off by half a scale at most, with a scale for each block', () => {
    // The second block is a hundred times smaller.
    const elements = Float32Array.from({ length: 64 }, (_, at) => Math.sin(at * 1.7) * (at < 32 ? 3 : 0.03));
    const bytes = quantizeQ80(elements);
    expect(bytes).toHaveLength(68);
    for (let block = 0; block < 2; block++) {
      const numbers = elements.subarray(block * 32, block * 32 + 32);
      const scale = numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / 127;
      const codes = new Int8Array(bytes.buffer, block * 34 + 2, 32);
      for (const [at, x] of numbers.entries()) {
        expect(Math.abs((codes[at] as number) * scale - x)).toBeLessThanOrEqual(scale * 0.501);
      }
    }
  });

  it('writes a block of zeros as zeros', () => {
    expect(quantizeQ80(new Float32Array(32)).every((byte) => byte === 0)).toBe(true);
  });
});
