import type { Engine } from 'octavo';
import { describe, expect, it } from 'vitest';
import { checkAgreement } from './agreement.ts';

const prompt = Uint32Array.of(1, 2, 3);
const answers = (ids: number[], ...others: number[][]) => new Map([[prompt.join(), { prompt, ids, others }]]);
/** A judge for whom tokens 4 and 5 are `gap` apart, in logits that spread over 10. */
const judge = (gap: number, weights: Engine['info']['weights'] = 'q4') =>
  ({
    info: { weights },
    score: async () => ({ lastLogits: [0, 1, 2, 3, 10, 10 - gap], argmax: [], logprobs: [] }),
  }) as unknown as Engine;

/** As `judge`, with every logit moved by `noise`, up or down in turns. */
const noisy = (gap: number, noise: number) =>
  ({
    score: async () => ({
      lastLogits: [0, 1, 2, 3, 10, 10 - gap].map((logit, id) => logit + (id % 2 ? noise : -noise)),
    }),
  }) as unknown as Engine;

describe('checkAgreement', () => {
  it('lets answers part where two tokens are nearly tied', async () => {
    expect(await checkAgreement(judge(0.05), answers([1, 4, 2]), answers([1, 5, 3]))).toEqual({
      compared: 1,
      ties: 1,
      widest: expect.closeTo(0.005, 5),
    });
    expect(await checkAgreement(judge(0.05), answers([1, 4]), answers([1, 4]))).toEqual({
      compared: 1,
      ties: 0,
      widest: 0,
    });
  });

  it('compares every answer that one prompt was given', async () => {
    const twice = answers([1, 4], [1, 5]);
    expect(await checkAgreement(judge(0.05), answers([1, 4]), twice)).toMatchObject({ compared: 2, ties: 1 });
    await expect(checkAgreement(judge(1), answers([1, 4]), twice)).rejects.toThrow('5 and 4 were chosen');
  });

  it('refuses another token where there is no tie, and a comparison of nothing', async () => {
    await expect(checkAgreement(judge(1), answers([1, 4, 2]), answers([1, 5, 3]))).rejects.toThrow('4 were chosen');
    // Both tied with each other, but far below the best.
    await expect(checkAgreement(judge(0), answers([2]), answers([3]))).rejects.toThrow('were chosen');
    await expect(checkAgreement(judge(0), answers([1]), new Map())).rejects.toThrow('No answer');
  });

  it('asks what the order of sums does to the logits where tokens are further apart, and refuses what is more than that', async () => {
    // The two tokens are 1.5 % of the spread apart.
    const [expected, given, gap] = [answers([1, 4]), answers([1, 5]), 0.15];
    const against = (noise: number) => checkAgreement(judge(gap), expected, given, async () => noisy(gap, noise));
    expect(await against(0.03)).toEqual({ compared: 1, ties: 1, widest: expect.closeTo(0.015, 5) });
    await expect(against(0)).rejects.toThrow("1.50 % of the logits' spread apart or below the best, where the order");
    await expect(against(0.02)).rejects.toThrow('makes 0.20 %');
    // That much is no noise.
    await expect(against(0.05)).rejects.toThrow('makes 0.50 %');
    await expect(checkAgreement(judge(gap), expected, given)).rejects.toThrow('1.50 %');
  });

  it('expects as much noise as the format of the weights rounds, none with float32', async () => {
    const [expected, given, gap] = [answers([1, 4]), answers([1, 5]), 0.15];
    const against = (weights: Engine['info']['weights'], noise: number) =>
      checkAgreement(judge(gap, weights), expected, given, async () => noisy(gap, noise));
    expect(await against('w8a8', 0.05)).toMatchObject({ ties: 1 });
    await expect(against('w8a8', 0.08)).rejects.toThrow('makes 0.80 %');
    await expect(against('f32', 0.03)).rejects.toThrow('makes 0.30 %');
  });

  it('asks nobody else about plain ties', async () => {
    const nobody = () => Promise.reject(new Error('was asked'));
    expect(await checkAgreement(judge(0.05), answers([1, 4]), answers([1, 5]), nobody)).toMatchObject({ ties: 1 });
  });
});
