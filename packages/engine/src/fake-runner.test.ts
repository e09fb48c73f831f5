import { describe, expect, it } from 'vitest';
import { FakeRunner, fakeCompletion, fakeLogits } from './fake-runner.ts';
import { StepRig } from './step-rig.testing.ts';

const prompt = Array.from({ length: 11 }, (_, i) => i * 5);
const newRig = () => new StepRig(new FakeRunner(), { pages: 20, pageSize: 4 });

describe('FakeRunner', () => {
  it.each(['f32', 'f16', 'int8'] as const)('yields what the prompt alone foretells, over %s pages', async (kvType) => {
    const rig = new StepRig(new FakeRunner(), { pages: 20, pageSize: 4, kvType });
    rig.submit(prompt, 4);
    const tokens: number[] = [];
    for (let i = 0; i < 4; i += 1) tokens.push(...(await rig.step()));
    expect(tokens).toEqual(fakeCompletion(prompt, 4));
  });

  it('agrees with itself on a prompt whose pages another sequence left behind', async () => {
    const rig = newRig();
    rig.submit(prompt, 1);
    await rig.step();
    rig.submit(prompt, 1);
    expect(await rig.step()).toEqual(Int32Array.from(fakeCompletion(prompt, 1)));
    expect(rig.store.check()).toEqual([]);
  });

  it('hands out logits whose largest is the token it names, for the heads that were asked for', async () => {
    const rig = newRig();
    rig.submit(prompt, 4);
    rig.submit([3, 4], 4);
    const { logits, argmax } = await rig.run(rig.plan(), Int32Array.of(1));
    expect(logits).toEqual(fakeLogits([3, 4]));
    expect(logits.indexOf(Math.max(...logits))).toBe(argmax[1]);
    expect(argmax[1]).toBe(fakeCompletion([3, 4], 1)[0]);
  });

  it('notices a page that was overwritten with rows of another stream', async () => {
    const rig = newRig();
    rig.submit(prompt, 4);
    await rig.step();
    rig.submit(
      prompt.map((token) => token + 1),
      4,
    );
    await rig.step();
    // The second page of the first sequence over that of the second one.
    rig.store.copyRows(2, 5, 4);
    await expect(rig.run(rig.plan())).rejects.toThrow(/reads position \d of another token stream/);
  });

  it('notices rows that are not read, and rows that were never written', async () => {
    const rig = newRig();
    rig.submit(prompt, 4);
    await rig.step();
    const plan = rig.plan();
    const tokens = plan.levels.find(({ groupCount }) => groupCount > 0)?.tokens as Int32Array;
    tokens[0] = 3;
    await expect(rig.run(plan)).rejects.toThrow(/does not read position 3/);
    tokens[0] = 11;
    (rig.store.keys.elements[1] as Float32Array).fill(0);
    await expect(rig.run(plan)).rejects.toThrow(/holds no row in the key pool of layer 1/);
  });

  it('notices a row that points to the place of another row', async () => {
    const rig = newRig();
    rig.submit(prompt, 4);
    rig.submit([9, 8, 7, 6, 5], 4);
    await rig.step();
    const plan = rig.plan();
    const rowAt = plan.levels.find(({ groupCount }) => groupCount > 1)?.rowAt as Int32Array;
    rowAt[1] = rowAt[0] as number;
    await expect(rig.run(plan)).rejects.toThrow(/row 1 points to place \d+, where row 0 is/);
  });
});
