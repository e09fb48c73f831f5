/** Pearson's chi-square statistic of counts against probabilities; cells of probability 0 must be empty. */
export function chiSquare(counts: readonly number[], probabilities: readonly number[]): number {
  const draws = counts.reduce((total, count) => total + count, 0);
  let sum = 0;
  for (const [cell, probability] of probabilities.entries()) {
    const count = counts[cell] as number;
    if (probability === 0) {
      if (count > 0) throw new Error(`cell ${cell} has probability 0 and ${count} draws`);
      continue;
    }
    const expected = probability * draws;
    sum += (count - expected) ** 2 / expected;
  }
  return sum;
}

/**
 * The value that chi-square exceeds with probability 1e-4 (Wilson and Hilferty 1931: the cube root is nearly normal; 3.719 is that
 * quantile of the normal distribution). Seeds are fixed, so a test passes always or never.
 */
export function chiSquareLimit(freedom: number): number {
  const variance = 2 / (9 * freedom);
  return freedom * (1 - variance + 3.719 * Math.sqrt(variance)) ** 3;
}

/** Normally distributed logits from a seed (a linear congruential generator and Box-Muller), for rows that look like a model's. */
export function normalLogits(vocabulary: number, seed: number, deviation = 3): Float32Array {
  let state = seed >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from({ length: vocabulary }, () => {
    return deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  });
}

/** Runs of a property: `OCTAVO_PROPERTY_RUNS`, 300 by default (also in CI). */
export const propertyRuns = Number(process.env.OCTAVO_PROPERTY_RUNS ?? 300);
