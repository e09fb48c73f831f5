/** The Q4_0 format of ggml: blocks of 32 numbers, one half-precision scale each, 4 bits a number. */
import { halfPrecision } from './half-precision.ts';

export const Q4_0_BLOCK = 32;
const BLOCK_BYTES = 2 + Q4_0_BLOCK / 2;

/** Bytes of so many numbers, a multiple of the block. */
export function q40Bytes(count: number): number {
  return (count / Q4_0_BLOCK) * BLOCK_BYTES;
}

/**
 * The element of the largest magnitude becomes -8 times the scale; codes are offset by 8; the first 16 numbers of a block are the low
 * halves of its bytes. Pure.
 */
export function quantizeQ40(elements: Float32Array): Uint8Array {
  const bytes = new Uint8Array(q40Bytes(elements.length));
  const view = new DataView(bytes.buffer);
  const half = Q4_0_BLOCK / 2;
  for (let block = 0; block * Q4_0_BLOCK < elements.length; block++) {
    const first = block * Q4_0_BLOCK;
    const scale = extremeOf(elements, first) / -8;
    const inverse = scale === 0 ? 0 : 1 / scale;
    view.setUint16(block * BLOCK_BYTES, halfPrecision(scale), true);
    for (let at = 0; at < half; at++) {
      const low = codeOf((elements[first + at] as number) * inverse);
      const high = codeOf((elements[first + half + at] as number) * inverse);
      bytes[block * BLOCK_BYTES + 2 + at] = low | (high << 4);
    }
  }
  return bytes;
}

function codeOf(scaled: number): number {
  return Math.min(15, Math.floor(scaled + 8.5));
}

/** The number of the largest magnitude, with its sign. */
function extremeOf(elements: Float32Array, first: number): number {
  let extreme = 0;
  for (let at = first; at < first + Q4_0_BLOCK; at++) {
    const element = elements[at] as number;
    if (Math.abs(element) > Math.abs(extreme)) extreme = element;
  }
  return extreme;
}
