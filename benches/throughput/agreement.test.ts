import type { Engine } from 'octavo';
import { describe, expect, it } from 'vitest';
import { checkAgreement } from './agreement.ts';

const prompt = Uint32Array.of(1, 2, 3);
const answers = (ids: number[], ...others: number[][]) => new Map([[prompt.join(), { prompt, ids, others }]]);
/** A judge for whom tokens 4 and 5 are `gap` apart, in logits that spread over 10. */
const judge = (gap: number) =>
  ({ score: async () => ({ lastLogits: [0, 1, 2, 3, 10, 10 - gap], argmax: [], logprobs: [] }) }) as unknown as Engine;

describe('checkAgreement', () => {
  it('lets answers part where two tokens are nearly tied', async () => {
    expect(await checkAgreement(judge(0.05), answers([1, 4, 2]), answers([1, 5, 3]))).toEqual({ compared: 1, ties: 1 });
    expect(await checkAgreement(judge(0.05), answers([1, 4]), answers([1, 4]))).toEqual({ compared: 1, ties: 0 });
  });

  it('compares every answer that one prompt was given', async () => {
    const twice = answers([1, 4], [1, 5]);
    expect(await checkAgreement(judge(0.05), answers([1, 4]), twice)).toEqual({ compared: 2, ties: 1 });
    await expect(checkAgreement(judge(1), answers([1, 4]), twice)).rejects.toThrow('5 and 4 were chosen');
  });

  it('refuses another token where there is no tie, and a comparison of nothing', async () => {
    await expect(checkAgreement(judge(1), answers([1, 4, 2]), answers([1, 5, 3]))).rejects.toThrow('4 were chosen');
    // Both tied with each other, but far below the best.
    await expect(checkAgreement(judge(0), answers([2]), answers([3]))).rejects.toThrow('were chosen');
    await expect(checkAgreement(judge(0), answers([1]), new Map())).rejects.toThrow('No answer');
  });
});
