import { type Engine, openEngine } from 'octavo';
import type { BenchEffort } from '../micro/measure.ts';
import { checkGoldens } from './check.ts';
import { benchCache, benchModel, benchWeights, type ShapeName, shapes, sharedPrompts } from './workload.ts';

interface DecodeSetting {
  readonly shape: ShapeName;
  /** Tokens that every sequence generates while it is timed. */
  readonly newTokens: number;
}

const settings: Readonly<Record<BenchEffort, DecodeSetting>> = {
  smoke: { shape: 'tiny', newTokens: 16 },
  full: { shape: '135m', newTokens: 128 },
};

/** Sequences that decode at the same time. */
export const SEQUENCES = 16;

/**
 * Room for about one and a half rounds of 16 sequences: the pool is full before anything is timed, so that pages are evicted and used again, as
 * in a server that runs for long.
 */
const POOL_PAGES = 288;
const WARM_UP_ROUNDS = 2;

export interface BenchSetting {
  readonly engine: Engine;
  /** Model and weights, for the names of rows. */
  readonly title: string;
  readonly newTokens: number;
  /** [SEQUENCES] prompts that were not served before: 256 tokens that all share and 24 of their own. */
  readonly prompts: readonly Uint32Array[];
  /** Answers that were compared before: see `checkGoldens`. */
  readonly checked: number;
}

/**
 * Effect: checks the goldens, compiles the bench model if need be, opens an engine, and closes it when `work` is over.
 * Figures are of a warmed-up engine with a full pool.
 */
export async function withBenchEngine<Value>(
  mode: 'worker' | 'in-thread',
  effort: BenchEffort,
  work: (setting: BenchSetting) => Promise<Value>,
): Promise<Value> {
  const { shape, newTokens } = settings[effort];
  const cacheFolder = benchCache();
  const checked = await checkGoldens(mode, cacheFolder);
  const model = await benchModel(shape);
  const weights = benchWeights();
  const engine = await openEngine(model, {
    mode,
    weights,
    cacheFolder,
    commitMemory: 'open',
    maxSequences: SEQUENCES,
    pages: POOL_PAGES,
  });
  try {
    const promptsOf = (round: number) =>
      sharedPrompts({
        count: SEQUENCES,
        sharedTokens: 256,
        privateTokens: 24,
        vocabulary: shapes[shape].vocabulary,
        seed: round * SEQUENCES,
      });
    for (let round = 0; round < WARM_UP_ROUNDS; round++) {
      const requests = promptsOf(round).map((ids) => engine.generate({ ids, maxTokens: newTokens, ignoreEos: true }));
      await Promise.all(requests.map((request) => request.result()));
    }
    const prompts = promptsOf(WARM_UP_ROUNDS);
    return await work({ engine, title: `${shape} ${weights}`, newTokens, prompts, checked });
  } finally {
    await engine.close();
  }
}
