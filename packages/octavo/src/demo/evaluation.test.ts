import { describe, expect, it } from 'vitest';
import { isCorrect, percentile } from './evaluation.ts';
import type { Question } from './workload.ts';

function question(expectedValue: string, stated = true): Question {
  return {
    id: 'q',
    product: 'p',
    stated,
    turn: 1,
    messages: [],
    expected_value: expectedValue,
    expected_answer: '',
  };
}

describe('isCorrect', () => {
  it('accepts a sentence that contains the value as a whole', () => {
    expect(isCorrect('The price is $449.', question('$449'))).toBe(true);
    expect(isCorrect('It is a 2-year warranty (limited).', question('2-year warranty (limited)'))).toBe(true);
  });

  it('refuses a value that is part of a longer number, price or word', () => {
    for (const answer of [
      'It weighs 114.2 kg.',
      'It weighs 14.2 kgs.',
      'It weighs 3.14.2 kg.',
      'It weighs $14.2 kg.',
    ]) {
      expect(isCorrect(answer, question('14.2 kg'))).toBe(false);
    }
    expect(isCorrect('It has 2.5 ports.', question('2'))).toBe(false);
  });

  it('takes only the exact sentence for a fact that is not stated', () => {
    const absent = question("The description doesn't say.", false);
    expect(isCorrect("The description doesn't say.", absent)).toBe(true);
    expect(isCorrect("The description doesn't say. ", absent)).toBe(false);
  });
});

describe('percentile', () => {
  it('is the nearest rank', () => {
    const values = [5, 1, 4, 2, 3];
    expect([0, 0.5, 0.95, 1].map((share) => percentile(values, share))).toEqual([1, 3, 5, 5]);
    expect(percentile([], 0.5)).toBe(0);
  });
});
