import { join } from 'node:path';
import { type Engine, openEngine } from 'octavo';
import { checkGoldens } from './check.ts';
import { benchFolder, benchModel, type ShapeName, shapes, sharedPrompts } from './workload.ts';

export interface EngineBenchOptions {
  readonly shape: ShapeName;
  readonly weights: 'f32' | 'q8' | 'q4';
  /** Tokens that every sequence generates while it is timed. */
  readonly newTokens: number;
}

/** Sequences that decode at the same time. */
export const SEQUENCES = 16;

export interface BenchSetting {
  readonly engine: Engine;
  /** [SEQUENCES] prompts: 256 tokens that all share and 24 of their own. */
  readonly prompts: readonly Uint32Array[];
  /** Answers that were compared before: see `checkGoldens`. */
  readonly checked: number;
}

/**
 * Effect: checks the goldens, compiles the bench model if need be, opens an engine, and closes it when `work` is over.
 * Figures are of a warmed-up engine: every prompt was served once before.
 */
export async function withBenchEngine<Value>(
  mode: 'worker' | 'in-thread',
  { shape, weights }: EngineBenchOptions,
  work: (setting: BenchSetting) => Promise<Value>,
): Promise<Value> {
  const cacheFolder = join(benchFolder(), 'cache');
  const checked = await checkGoldens(mode, cacheFolder);
  const model = await benchModel(shape);
  const engine = await openEngine(model, { mode, weights, cacheFolder, maxSequences: SEQUENCES });
  try {
    const { vocabulary } = shapes[shape];
    const prompts = sharedPrompts({ count: SEQUENCES, sharedTokens: 256, privateTokens: 24, vocabulary });
    await Promise.all(prompts.map((ids) => engine.generate({ ids, maxTokens: 4, ignoreEos: true }).result()));
    return await work({ engine, prompts, checked });
  } finally {
    await engine.close();
  }
}
