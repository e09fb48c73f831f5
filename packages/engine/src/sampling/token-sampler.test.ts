import { describe, expect, it } from 'vitest';
import type { SamplingOptions } from '../api.ts';
import { referenceSampling, resolve } from './reference-sampling.testing.ts';
import type { ResolvedSampling } from './resolve-sampling.ts';
import { chiSquare, chiSquareLimit, normalLogits } from './statistics.testing.ts';
import { argmaxOf, TokenSampler } from './token-sampler.ts';

const VOCABULARY = 30;
const noHistory = { tokens: new Uint32Array(0), tokenCount: 0, promptTokens: 0 };

/** Tokens that come out for many positions. */
function drawn(sampler: TokenSampler, logits: Float32Array, sampling: ResolvedSampling, draws: number): number[] {
  const counts = new Array<number>(logits.length).fill(0);
  const tokens = new Uint32Array(draws);
  for (let position = 0; position < draws; position += 1) {
    const token = sampler.sample(logits, sampling, { tokens, tokenCount: position, promptTokens: position });
    counts[token] = (counts[token] as number) + 1;
  }
  return counts;
}

describe('TokenSampler', () => {
  const sampler = new TokenSampler(VOCABULARY);

  it.each<[string, SamplingOptions]>([
    ['nothing but temperature', { temperature: 0.8 }],
    ['top-k', { temperature: 1, topK: 7 }],
    ['top-p', { temperature: 1, topP: 0.9 }],
    ['min-p', { temperature: 1.2, minP: 0.1 }],
    ['all of them', { temperature: 1.5, topK: 12, topP: 0.93, minP: 0.02 }],
  ])('draws with the probabilities of the definition: %s', (_, options) => {
    const logits = normalLogits(VOCABULARY, 11, 1.2);
    const sampling = resolve({ ...options, seed: 4242 });
    const { probabilities, kept, isOnTheEdge } = referenceSampling(logits, sampling);
    expect(isOnTheEdge).toBe(false);
    expect(kept.length).toBeGreaterThan(4);
    // Every cell is expected at least a few times, as the test asks for.
    expect(Math.min(...kept.map((token) => probabilities[token] as number)) * 40_000).toBeGreaterThan(5);
    expect(chiSquare(drawn(sampler, logits, sampling, 40_000), probabilities)).toBeLessThan(
      chiSquareLimit(kept.length - 1),
    );
  });

  it('draws the same token for the same seed and position, whatever came between', () => {
    const logits = normalLogits(VOCABULARY, 5);
    const sampling = resolve({ temperature: 1.5, topP: 0.9, seed: 77 });
    const history = { tokens: new Uint32Array(9), tokenCount: 9, promptTokens: 9 };
    const token = sampler.sample(logits, sampling, history);
    sampler.sample(normalLogits(VOCABULARY, 6), resolve({ temperature: 0.2, repetitionPenalty: 2 }), history);
    expect(sampler.sample(logits, sampling, history)).toBe(token);
    expect(new TokenSampler(VOCABULARY).sample(logits, sampling, history)).toBe(token);
  });

  it('draws another sequence of tokens for another seed', () => {
    const logits = normalLogits(VOCABULARY, 5, 1);
    const one = drawn(sampler, logits, resolve({ temperature: 1, seed: 1 }), 200);
    expect(drawn(sampler, logits, resolve({ temperature: 1, seed: 2 }), 200)).not.toEqual(one);
  });

  it('takes the highest logit at temperature 0, the lowest id on a tie, whatever the filters are', () => {
    const logits = Float32Array.from({ length: VOCABULARY }, (_, id) => (id === 4 || id === 9 ? 3 : 1));
    expect(sampler.sample(logits, resolve({ temperature: 0, topK: 3, topP: 0.5, seed: 8 }), noHistory)).toBe(4);
    expect(argmaxOf(logits)).toBe(4);
  });

  it('applies penalties before it takes the highest logit', () => {
    const logits = Float32Array.from({ length: VOCABULARY }, (_, id) => VOCABULARY - id);
    const history = { tokens: Uint32Array.of(0, 1, 1), tokenCount: 3, promptTokens: 1 };
    expect(sampler.sample(logits, resolve({ repetitionPenalty: 1.2 }), history)).toBe(2);
    expect(sampler.sample(logits, resolve({ frequencyPenalty: 2 }), history)).toBe(0);
    expect(logits[0]).toBe(VOCABULARY);
  });

  it('never draws a token whose logit is -Infinity, also when top-k asks for more than there are', () => {
    const logits = new Float32Array(VOCABULARY).fill(Number.NEGATIVE_INFINITY);
    logits[3] = -50;
    logits[8] = -50.5;
    const counts = drawn(sampler, logits, resolve({ temperature: 1, topK: 20, seed: 3 }), 500);
    expect((counts[3] as number) + (counts[8] as number)).toBe(500);
    expect(counts[8]).toBeGreaterThan(0);
  });

  it('survives logits and temperatures whose exponentials overflow or vanish', () => {
    const logits = new Float32Array(VOCABULARY).fill(-3e38);
    logits[7] = 3e38;
    for (const temperature of [1e-300, 1, 1e300]) {
      const token = sampler.sample(logits, resolve({ temperature, topP: 0.5 }), noHistory);
      expect(temperature === 1e300 || token === 7).toBe(true);
      expect(token).toBeLessThan(VOCABULARY);
    }
  });
});
