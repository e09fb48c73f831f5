import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Penalties, type TokenHistory } from './penalties.ts';
import type { ResolvedSampling } from './resolve-sampling.ts';
import { propertyRuns } from './statistics.testing.ts';

const VOCABULARY = 12;
const off: ResolvedSampling = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: 0,
};

function historyOf(prompt: readonly number[], completion: readonly number[]): TokenHistory {
  // Longer than tokenCount, as the scheduler's column is.
  const tokens = Uint32Array.from([...prompt, ...completion, 0, 0]);
  return { tokens, tokenCount: prompt.length + completion.length, promptTokens: prompt.length };
}

/** Token by token, from the definitions. */
function reference(
  score: number,
  token: number,
  sampling: ResolvedSampling,
  lists: { prompt: number[]; completion: number[] },
): number {
  const occurrences = lists.completion.filter((other) => other === token).length;
  let penalised = score;
  if (occurrences > 0 || lists.prompt.includes(token)) {
    penalised = score > 0 ? score / sampling.repetitionPenalty : score * sampling.repetitionPenalty;
  }
  return penalised - sampling.frequencyPenalty * occurrences - (occurrences > 0 ? sampling.presencePenalty : 0);
}

describe('Penalties', () => {
  const penalties = new Penalties(VOCABULARY);
  const tokens = fc.array(fc.nat({ max: VOCABULARY - 1 }), { maxLength: 20 });

  it('follows the definitions, and keeps nothing from call to call', () => {
    fc.assert(
      fc.property(
        fc.record({ prompt: tokens, completion: tokens }),
        fc.array(fc.double({ min: -30, max: 30, noNaN: true }), { minLength: VOCABULARY, maxLength: VOCABULARY }),
        fc.record({
          repetitionPenalty: fc.constantFrom(1, 0.8, 1.3),
          presencePenalty: fc.constantFrom(0, -1.5, 0.7),
          frequencyPenalty: fc.constantFrom(0, -0.25, 2),
        }),
        (lists, logits, options) => {
          const sampling = { ...off, ...options };
          const scores = Float64Array.from(logits);
          penalties.apply(scores, sampling, historyOf(lists.prompt, lists.completion));
          for (const [token, score] of scores.entries()) {
            expect(score).toBeCloseTo(reference(logits[token] as number, token, sampling, lists), 10);
          }
        },
      ),
      { numRuns: propertyRuns },
    );
  });

  it('applies presence and frequency to the completion only, repetition to the prompt too', () => {
    const scores = new Float64Array(VOCABULARY).fill(4);
    penalties.apply(
      scores,
      { ...off, repetitionPenalty: 2, presencePenalty: 1, frequencyPenalty: 0.5 },
      historyOf([1], [2, 2]),
    );
    expect([...scores.subarray(0, 4)]).toEqual([4, 2, 0, 4]);
  });

  it('multiplies scores that are not positive, so that the penalty is one', () => {
    const scores = new Float64Array(VOCABULARY).fill(-4);
    penalties.apply(scores, { ...off, repetitionPenalty: 2 }, historyOf([1], []));
    expect([...scores.subarray(0, 2)]).toEqual([-4, -8]);
  });
});
