/** A deterministic graph gives every row the same bits, however its sequence was computed. */
import { type CompileOptions, compileModel } from '@octavo/graph';
import { LEVEL_COUNT } from '@octavo/scheduler';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../engine.testing.ts';
import { type RigLimits, StepRig } from '../step-rig.testing.ts';
import { type Logits, longer, serve } from './deterministic.testing.ts';
import { OrtRunner } from './ort-runner.ts';

/** Mixes of cold, warm, partly warm, batched, chunked and preempted runs; CI default 24 (OCTAVO_DETERMINISTIC_RUNS). */
const RUNS = Number(process.env.OCTAVO_DETERMINISTIC_RUNS ?? 24);
const NEW_TOKENS = 4;
interface Format extends Pick<CompileOptions, 'weights' | 'kvType'> {
  /** Default: one without windows. */
  readonly model?: string;
}

const formats: readonly Format[] = [
  { weights: 'f32', kvType: 'f32' },
  // Every other layer through a window, and scores that are capped.
  { model: 'gemma2', weights: 'f32', kvType: 'f32' },
  { weights: 'q4', kvType: 'int8' },
  { weights: 'q8', kvType: 'f16' },
  { weights: 'w8a8', kvType: 'int8' },
];

/** Prompts with common beginnings: two trunks, cut anywhere, with endings of their own. The long ones have whole blocks of the grid in common. */
const prompts: readonly (readonly number[])[] = [
  [0, 1, 3],
  [0, 30, 1],
  [0, 30, 2],
  [0, 61, 5],
  [1, 17, 4],
  [1, 40, 9],
  [1, 40, 2],
  [0, 9, 6],
  [1, 260, 7],
  [1, 260, 8],
  [0, 253, 3],
  [1, 517, 2],
].map(([trunk = 0, length = 0, ending = 0]) => [
  ...Array.from({ length }, (_, i) => 5 + ((trunk * 37 + i * 11) % 90)),
  5 + ending,
]);

const LONGEST = Math.max(...prompts.map(({ length }) => length));

/** What happened in all mixes together: mixes without reuse, chunks and preemptions would show nothing. */
const seen = { cached: 0, chunked: 0, batched: 0, preempted: 0 };

const served = { prompts, newTokens: NEW_TOKENS, seen };

describe.each(formats)('a deterministic graph with %o', ({ model = 'llama', ...format }) => {
  let runner: OrtRunner;
  const expected: Logits = new Map();
  const rigOf = (pages: number, pageSize: number, limits: RigLimits = {}) => {
    const { kvType = 'f32' } = format;
    return new StepRig(runner, { pages, pageSize, kvType }, { attention: 'flat', maxWaiting: 100, ...limits });
  };

  beforeAll(async () => {
    const options = { ...format, levels: LEVEL_COUNT, deterministic: true, cacheFolder: temporaryFolder() };
    runner = await OrtRunner.open(await compileModel(longer(model), options), { threads: 2, spinning: false });
    // Each prompt cold, alone, in one chunk.
    for (let prompt = 0; prompt < prompts.length; prompt += 1) {
      for (const [key, bits] of await serve(rigOf(64, 16), { ...served, arrivals: [{ prompt, atStep: 0 }] }))
        expected.set(key, bits);
    }
    expect(expected.size).toBe(prompts.length * NEW_TOKENS);
  });
  afterAll(() => runner.dispose());

  it('gives bit-equal logits cold, warm, partly warm, batched, chunked and preempted', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          arrivals: fc.array(fc.record({ prompt: fc.nat({ max: prompts.length - 1 }), atStep: fc.nat({ max: 12 }) }), {
            minLength: 2,
            maxLength: 12,
          }),
          pageSize: fc.constantFrom(4, 16),
          tokenBudget: fc.constantFrom(3, 17, 128),
          maxSequences: fc.constantFrom(1, 3, 8),
          tightness: fc.constantFrom(1, 1.5, 8),
        }),
        async ({ arrivals, pageSize, tightness, ...limits }) => {
          const pages = 3 + Math.ceil((tightness * (LONGEST + NEW_TOKENS)) / pageSize);
          const sorted = [...arrivals].sort((left, right) => left.atStep - right.atStep);
          const logits = await serve(rigOf(pages, pageSize, limits), { ...served, arrivals: sorted });
          expect(logits.size).toBeGreaterThan(0);
          for (const [key, bits] of logits) expect([key, bits]).toEqual([key, expected.get(key)]);
        },
      ),
      { numRuns: RUNS, seed: 4 },
    );
  });
});

describe.each(formats.filter(({ weights }) => weights === 'f32'))(
  'a graph with %o',
  ({ model = 'llama', ...format }) => {
    it('gives about the same logits whether it is deterministic or not', async () => {
      const [bits, others] = (await Promise.all(
        [true, false].map(async (deterministic) => {
          const options = { ...format, levels: LEVEL_COUNT, deterministic, cacheFolder: temporaryFolder() };
          const runner = await OrtRunner.open(await compileModel(longer(model), options), {
            threads: 2,
            spinning: false,
          });
          const rig = new StepRig(
            runner,
            { pages: 256, pageSize: 16, kvType: 'f32' },
            { attention: deterministic ? 'flat' : 'levels', maxWaiting: 100 },
          );
          const arrivals = prompts.map((_, prompt) => ({ prompt, atStep: 0 }));
          const logits = await serve(rig, { ...served, arrivals });
          await runner.dispose();
          return logits;
        }),
      )) as [Logits, Logits];
      expect(bits.size).toBe(prompts.length * NEW_TOKENS);
      for (const [key, row] of bits) {
        const other = new Float32Array((others.get(key) as Uint32Array).buffer);
        const apart = new Float32Array(row.buffer).map((logit, id) => Math.abs(logit - (other[id] as number)));
        expect(Math.max(...apart)).toBeLessThan(1e-4);
      }
    });
  },
);

it('was shown reuse, chunks, batches and preemptions', () => {
  for (const [what, count] of Object.entries(seen)) expect([what, count > 0]).toEqual([what, true]);
});
