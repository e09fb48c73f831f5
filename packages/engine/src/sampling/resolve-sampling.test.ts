import { describe, expect, it } from 'vitest';
import type { SamplingOptions } from '../api.ts';
import { hasPenalties, isPlainGreedy, resolveSampling } from './resolve-sampling.ts';

const defaults = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

describe('resolveSampling', () => {
  it('fills in what the documentation says, and the drawn seed', () => {
    expect(resolveSampling({}, 99)).toEqual({ ok: true, sampling: { ...defaults, seed: 99 } });
    const absent = { topK: undefined } as unknown as SamplingOptions;
    expect(resolveSampling(absent, 99)).toEqual({ ok: true, sampling: { ...defaults, seed: 99 } });
  });

  it('keeps what is given, to the ends of each range', () => {
    const least = {
      temperature: 0,
      topK: 0,
      topP: 1e-9,
      minP: 0,
      repetitionPenalty: 0.01,
      presencePenalty: -2,
      frequencyPenalty: -2,
      seed: 0,
    };
    const most = {
      temperature: 9,
      topK: 1e6,
      topP: 1,
      minP: 1,
      repetitionPenalty: 9,
      presencePenalty: 2,
      frequencyPenalty: 2,
      seed: 2 ** 53 - 1,
    };
    for (const options of [least, most]) expect(resolveSampling(options, 99)).toEqual({ ok: true, sampling: options });
  });

  it('leaves keys alone that are no sampling options', () => {
    const request = { maxTokens: 'x', temperature: 1 } as SamplingOptions;
    expect(resolveSampling(request, 1)).toEqual({ ok: true, sampling: { ...defaults, temperature: 1, seed: 1 } });
  });

  it.each([
    ['temperature', -0.1, 'a number of at least 0'],
    ['temperature', Number.POSITIVE_INFINITY, 'a number of at least 0'],
    ['topK', 1.5, 'an integer of at least 0'],
    ['topK', -1, 'an integer of at least 0'],
    ['topP', 0, 'a number above 0 and at most 1'],
    ['topP', 1.01, 'a number above 0 and at most 1'],
    ['minP', -0.1, 'a number from 0 to 1'],
    ['repetitionPenalty', 0, 'a number above 0'],
    ['presencePenalty', 2.1, 'a number from -2 to 2'],
    ['frequencyPenalty', Number.NaN, 'a number from -2 to 2'],
    ['frequencyPenalty', null, 'a number from -2 to 2'],
    ['temperature', '1', 'a number of at least 0'],
    ['seed', -1, 'an integer from 0 to 2^53 - 1'],
    ['seed', 2 ** 53, 'an integer from 0 to 2^53 - 1'],
  ])('refuses %s %s and says what it expects', (option, value, expected) => {
    expect(resolveSampling({ [option]: value }, 99)).toEqual({ ok: false, option, value, expected });
  });

  it('knows when the argmax of the graph is enough', () => {
    const resolve = (options: SamplingOptions) => {
      const result = resolveSampling(options, 1);
      if (!result.ok) throw new Error(`${result.option} was refused`);
      return result.sampling;
    };
    expect(isPlainGreedy(resolve({ topK: 5, topP: 0.5 }))).toBe(true);
    expect(isPlainGreedy(resolve({ temperature: 0.1 }))).toBe(false);
    for (const option of ['repetitionPenalty', 'presencePenalty', 'frequencyPenalty']) {
      expect(hasPenalties(resolve({ [option]: 1.1 }))).toBe(true);
      expect(isPlainGreedy(resolve({ [option]: 1.1 }))).toBe(false);
    }
  });
});
