/** Sampling from candidates gives the tokens that sampling from all logits gives. */
import { type CompiledModel, compileModel } from '@octavo/graph';
import { LEVEL_COUNT } from '@octavo/scheduler';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine, SamplingOptions } from '../api.ts';
import { llama, temporaryFolder } from '../engine.testing.ts';
import type { ModelRunner, RunOutputs } from '../model-runner.ts';
import { openEngineWith } from '../open-engine.ts';
import { OrtRunner } from './ort-runner.ts';

const SEEDS = 12;
const NEW_TOKENS = 6;

/** What crossed into JavaScript. */
interface Crossings {
  /** Rows of all logits. */
  full: number;
  candidates: number;
  lacking: number;
}

/** The same runner, counted; `hidden`: as one that has no candidates. */
function watched(runner: OrtRunner, counts: Crossings, hidden: boolean): ModelRunner {
  return {
    shape: runner.shape,
    candidateCount: hidden ? 0 : runner.candidateCount,
    async run(...request): Promise<RunOutputs> {
      const outputs = await runner.run(...request);
      counts.full += outputs.logits.length / runner.shape.vocabulary;
      counts.candidates += outputs.candidates?.lacking.length ?? 0;
      counts.lacking += outputs.candidates?.lacking.reduce((sum, flag) => sum + flag, 0) ?? 0;
      return outputs;
    },
    dispose: () => runner.dispose(),
  };
}

const cases: readonly (readonly [string, SamplingOptions, 'candidates' | 'both' | 'logits'])[] = [
  ['temperature', { temperature: 1 }, 'logits'],
  ['top-k', { temperature: 1, topK: 20 }, 'candidates'],
  ['top-k above the candidates', { temperature: 1, topK: 150 }, 'logits'],
  ['top-p of a peaked distribution', { temperature: 0.3, topP: 0.6 }, 'both'],
  ['top-p of a flat distribution', { temperature: 3, topP: 0.95 }, 'both'],
  ['top-k and top-p', { temperature: 0.8, topK: 40, topP: 0.7 }, 'candidates'],
  ['min-p', { temperature: 0.5, minP: 0.2 }, 'both'],
  ['min-p and top-p', { temperature: 0.7, topP: 0.8, minP: 0.05 }, 'both'],
  ['greedy with penalties', { repetitionPenalty: 1.3, presencePenalty: 0.4 }, 'candidates'],
  ['top-k with penalties', { temperature: 1, topK: 30, frequencyPenalty: 0.5 }, 'candidates'],
  ['top-p with penalties', { temperature: 1, topP: 0.9, repetitionPenalty: 1.2 }, 'logits'],
  ['penalties that lift', { temperature: 1, topK: 5, presencePenalty: -1 }, 'logits'],
];

describe('an engine that samples in the graph', () => {
  let model: CompiledModel;
  beforeAll(async () => {
    model = await compileModel(llama.folder, { levels: LEVEL_COUNT, cacheFolder: temporaryFolder() });
  });

  async function tokens(sampling: SamplingOptions, hidden: boolean) {
    const counts: Crossings = { full: 0, candidates: 0, lacking: 0 };
    const runner = await OrtRunner.open(model, { threads: 1, spinning: false });
    const engine: Engine = await openEngineWith({ runner: watched(runner, counts, hidden) }, { pages: 64 });
    try {
      const prompts = llama.goldens.map(({ ids }) => ids.slice(0, 40));
      const running = Array.from({ length: SEEDS }, (_, seed) =>
        engine.generate({
          ids: prompts[seed % prompts.length] as number[],
          maxTokens: NEW_TOKENS,
          ignoreEos: true,
          seed,
          ...sampling,
        }),
      );
      const results = await Promise.all(running.map((request) => request.result()));
      return { ids: results.map(({ ids }) => ids), counts };
    } finally {
      await engine.close();
    }
  }

  it.each(cases)('gives the same tokens as from all logits: %s', async (_, sampling, from) => {
    const whole = await tokens(sampling, true);
    const { ids, counts } = await tokens(sampling, false);
    expect(ids).toEqual(whole.ids);
    expect(whole.counts).toMatchObject({ full: SEEDS * NEW_TOKENS, candidates: 0 });
    if (from === 'candidates') expect(counts).toEqual({ full: 0, candidates: SEEDS * NEW_TOKENS, lacking: 0 });
    if (from === 'logits') expect(counts).toMatchObject({ full: SEEDS * NEW_TOKENS, candidates: 0 });
    if (from === 'both') {
      expect(counts.candidates).toBe(SEEDS * NEW_TOKENS);
      expect(counts.full).toBe(counts.lacking);
    }
  });

  it('hands out whole rows only where candidates are not enough', async () => {
    const peaked = await tokens({ temperature: 0.05, topP: 0.5 }, false);
    const flat = await tokens({ temperature: 50, topP: 0.99 }, false);
    expect(peaked.counts.lacking).toBeLessThan(SEEDS * NEW_TOKENS);
    expect(flat.counts.lacking).toBe(SEEDS * NEW_TOKENS);
  });
});
