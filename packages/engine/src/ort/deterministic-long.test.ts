/** Prompts of many blocks in a deterministic graph: how many blocks the longest sequence of a step has must not be seen in anybody's bits. */
import { type CompileOptions, compileModel } from '@octavo/graph';
import { LEVEL_COUNT } from '@octavo/scheduler';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import { type RigLimits, StepRig } from '../step-rig.testing.ts';
import { type Logits, longer, serve } from './deterministic.testing.ts';
import { OrtRunner } from './ort-runner.ts';

const CONTEXT_TOKENS = 4096;
const prompts: readonly (readonly number[])[] = [1700, 2100, 3300].map((length, prompt) =>
  // The second begins as the first does, for seven of its blocks.
  Array.from({ length }, (_, i) => 5 + (((prompt === 2 ? 53 : i < 1800 ? 7 : 19) + i * 11 + (i % 7) * 3) % 90)),
);

interface Case {
  readonly model: string;
  readonly trims?: CompileOptions['trims'];
  readonly pageSize: number;
  readonly threads: number;
}

const cases: readonly Case[] = [
  { model: 'llama', pageSize: 16, threads: 2 },
  { model: 'llama', pageSize: 16, threads: 8 },
  // As many K/V heads as query heads; pages that do not divide a block, and pages larger than one.
  { model: 'gpt2', pageSize: 24, threads: 2 },
  { model: 'llama', trims: { kvHeads: 1 }, pageSize: 512, threads: 2 },
];

describe.each(cases)('a deterministic graph of $model, pages of $pageSize and $threads threads', (setting) => {
  const { model, trims, pageSize, threads } = setting;

  it('gives a prompt the same bits in any chunks, alone, beside longer ones and warm', async () => {
    const compiled = await compileModel(longer(model, CONTEXT_TOKENS), {
      levels: LEVEL_COUNT,
      deterministic: true,
      cacheFolder: temporaryFolder(),
      ...(trims && { trims }),
    });
    const runner = await OrtRunner.open(compiled, { threads, spinning: false });
    const run = (limits: RigLimits, arrivals: readonly (readonly [prompt: number, atStep: number])[]) => {
      const pages = 4 + Math.ceil((3 * CONTEXT_TOKENS) / pageSize);
      const rig = new StepRig(runner, { pages, pageSize, kvType: 'f32' }, { attention: 'flat', ...limits });
      const served = { prompts, newTokens: 3, arrivals: arrivals.map(([prompt, atStep]) => ({ prompt, atStep })) };
      return serve(rig, served);
    };
    try {
      const alone: Logits = new Map();
      for (const prompt of [0, 1]) {
        for (const [key, bits] of await run({ tokenBudget: 256 }, [[prompt, 0]])) alone.set(key, bits);
      }
      expect(alone.size).toBe(2 * 3);
      const expectSame = (logits: Logits) => {
        for (const [key, bits] of logits) if (alone.has(key)) expect([key, bits]).toEqual([key, alone.get(key)]);
      };
      for (const tokenBudget of [512, 2048]) {
        for (const prompt of [0, 1]) expectSame(await run({ tokenBudget }, [[prompt, 0]]));
      }
      for (const tokenBudget of [256, 512, 2048]) {
        const arrivals = [
          [2, 0],
          [0, 1],
          [1, 3],
          // Once nothing runs any more: both are warm.
          [0, 1000],
          [1, 1000],
        ] as const;
        expectSame(await run({ tokenBudget }, arrivals));
      }
    } finally {
      await runner.dispose();
    }
  });
});
