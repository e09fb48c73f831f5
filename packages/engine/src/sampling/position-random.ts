/**
 * Random numbers without a state: a function of (seed, position). A sequence that is preempted, resumed, batched with others or run
 * alone draws the same numbers.
 *
 * Source: Philox4x32-10 of Salmon, Moraes, Dror and Shaw 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"; the test holds its
 * published vectors. A counter-based generator passes the usual batteries for consecutive counters, which positions are.
 */

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const KEY_STEP_0 = 0x9e3779b9;
const KEY_STEP_1 = 0xbb67ae85;
const ROUNDS = 10;

const TWO_26 = 2 ** 26;
const TWO_32 = 2 ** 32;
const TWO_53 = 2 ** 53;

/** One block of the generator. `block` [4] is the counter, and the output afterwards; the key is two 32-bit words. */
export function philox4x32(block: Uint32Array, key0: number, key1: number): void {
  let a = block[0] as number;
  let b = block[1] as number;
  let c = block[2] as number;
  let d = block[3] as number;
  let k0 = key0;
  let k1 = key1;
  for (let round = 0; round < ROUNDS; round += 1) {
    const nextA = highProduct(MULTIPLIER_1, c) ^ b ^ k0;
    const nextC = highProduct(MULTIPLIER_0, a) ^ d ^ k1;
    b = Math.imul(MULTIPLIER_1, c);
    d = Math.imul(MULTIPLIER_0, a);
    a = nextA;
    c = nextC;
    k0 = (k0 + KEY_STEP_0) | 0;
    k1 = (k1 + KEY_STEP_1) | 0;
  }
  block[0] = a;
  block[1] = b;
  block[2] = c;
  block[3] = d;
}

/** The upper 32 bits of the product of two unsigned 32-bit numbers, by their 16-bit halves. */
function highProduct(x: number, y: number): number {
  const xLow = x & 0xffff;
  const xHigh = x >>> 16;
  const yLow = y & 0xffff;
  const yHigh = y >>> 16;
  const lowHigh = xLow * yHigh;
  const highLow = xHigh * yLow;
  const carried = ((xLow * yLow) >>> 16) + (lowHigh & 0xffff) + (highLow & 0xffff);
  return (xHigh * yHigh + (lowHigh >>> 16) + (highLow >>> 16) + (carried >>> 16)) | 0;
}

/** Draws numbers; holds scratch only. */
export class PositionRandom {
  readonly #block = new Uint32Array(4);

  /**
   * A number in [0, 1), a multiple of 2^-53, that depends on its arguments only.
   * `seed`: integer in [0, 2^53). `position`: integer in [0, 2^32), the index of the token in its sequence.
   */
  uniformAt(seed: number, position: number): number {
    const block = this.#block;
    block.fill(0);
    block[0] = position;
    philox4x32(block, seed | 0, Math.floor(seed / TWO_32) | 0);
    const upper = (block[0] as number) >>> 5;
    const lower = (block[1] as number) >>> 6;
    return (upper * TWO_26 + lower) / TWO_53;
  }
}
