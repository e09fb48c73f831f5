/** The Q8_0 format of ggml: blocks of 32 numbers, one half-precision scale each, a signed byte a number. */
import { halfPrecision } from './half-precision.ts';

export const Q8_0_BLOCK = 32;
const BLOCK_BYTES = 2 + Q8_0_BLOCK;
const MOST_CODE = 127;

/** Bytes of so many numbers, a multiple of the block. */
export function q80Bytes(count: number): number {
  return (count / Q8_0_BLOCK) * BLOCK_BYTES;
}

/** The largest magnitude of a block becomes 127 times the scale, or -127 times. Pure. */
export function quantizeQ80(elements: Float32Array): Uint8Array {
  const bytes = new Uint8Array(q80Bytes(elements.length));
  const view = new DataView(bytes.buffer);
  for (let block = 0; block * Q8_0_BLOCK < elements.length; block++) {
    const first = block * Q8_0_BLOCK;
    const numbers = elements.subarray(first, first + Q8_0_BLOCK);
    const scale = numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 0) / MOST_CODE;
    const inverse = scale === 0 ? 0 : 1 / scale;
    view.setUint16(block * BLOCK_BYTES, halfPrecision(scale), true);
    for (const [at, x] of numbers.entries()) view.setInt8(block * BLOCK_BYTES + 2 + at, Math.round(x * inverse));
  }
  return bytes;
}
