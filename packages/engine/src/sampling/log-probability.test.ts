import { describe, expect, it } from 'vitest';
import { logProbabilityOf, logSumExp, perplexityOf } from './log-probability.ts';
import { normalLogits } from './statistics.testing.ts';

describe('logProbabilityOf', () => {
  it('gives probabilities that sum to 1', () => {
    const logits = normalLogits(1_000, 4);
    const sum = Array.from(logits.keys()).reduce(
      (total, token) => total + Math.exp(logProbabilityOf(logits, token)),
      0,
    );
    expect(sum).toBeCloseTo(1, 12);
  });

  it('is exact for logits whose exponentials overflow or vanish', () => {
    expect(logProbabilityOf(Float32Array.of(1000, 1000), 1)).toBeCloseTo(Math.log(0.5), 12);
    expect(logProbabilityOf(Float32Array.of(-1000, -1001), 0)).toBeCloseTo(-Math.log(1 + Math.exp(-1)), 12);
    expect(logProbabilityOf(Float32Array.of(0, Number.NEGATIVE_INFINITY), 1)).toBe(Number.NEGATIVE_INFINITY);
    expect(logSumExp(Float32Array.of(5))).toBe(5);
  });
});

describe('perplexityOf', () => {
  it('is the vocabulary for a guess, and undefined for no tokens', () => {
    const guess = Math.log(1 / 1024);
    expect(perplexityOf([guess, guess, guess])).toBeCloseTo(1024, 9);
    expect(perplexityOf([])).toBeUndefined();
  });
});
