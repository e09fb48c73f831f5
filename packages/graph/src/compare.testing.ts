/** Largest difference, as a part of the largest expected magnitude; NaN counts as infinite. Used by tests. */
export function deviation(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let difference = 0;
  for (let index = 0; index < expected.length; index += 1) {
    const gap = Math.abs((actual[index] as number) - (expected[index] as number));
    if (Number.isNaN(gap)) return Number.POSITIVE_INFINITY;
    largest = Math.max(largest, Math.abs(expected[index] as number));
    difference = Math.max(difference, gap);
  }
  return largest === 0 ? difference : difference / largest;
}

/** Evenly spread numbers in [-1, 1), the same for the same seed. */
export function randomFloats(count: number, seed: number): Float32Array {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state / 2 ** 31;
  });
}
