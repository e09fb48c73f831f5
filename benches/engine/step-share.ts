/**
 * What the machinery costs beside the model: the share of step time that planning, tensor preparation, row writing and commit take
 * while 16 sequences over one shared prefix decode.
 */
import { join } from 'node:path';
import { openEngine } from 'octavo';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import { checkGoldens } from './check.ts';
import { benchFolder, benchModel, type ShapeName, shapes, sharedPrompts } from './workload.ts';

export interface StepShareOptions {
  readonly shape: ShapeName;
  readonly weights: 'f32' | 'q8' | 'q4';
  /** Tokens that every sequence generates. */
  readonly newTokens: number;
}

/** Effect: compiles the bench model if need be, and decodes 16 sequences in this thread. */
export async function runStepShare(options: StepShareOptions): Promise<BenchRow[]> {
  const cacheFolder = join(benchFolder(), 'cache');
  const checked = await checkGoldens('in-thread', cacheFolder);
  const model = await benchModel(options.shape);
  const engine = await openEngine(model, { mode: 'in-thread', weights: options.weights, cacheFolder, maxSequences: 16 });
  try {
    const prompts = sharedPrompts({
      count: 16,
      sharedTokens: 256,
      privateTokens: 24,
      vocabulary: shapes[options.shape].vocabulary,
    });
    const generateAll = (maxTokens: number) =>
      Promise.all(prompts.map((ids) => engine.generate({ ids, maxTokens, ignoreEos: true }).result()));
    await generateAll(4);
    const before = await engine.stats();
    await generateAll(options.newTokens);
    const after = await engine.stats();
    const steps = after.steps - before.steps;
    const ms = (part: keyof typeof after.stepMs) => after.stepMs[part] - before.stepMs[part];
    const machinery = ms('plan') + ms('prepare') + ms('write') + ms('commit');
    const total = machinery + ms('run') + ms('sample');
    const row = (name: string, value: number, unit: string, aim?: string): BenchRow =>
      measured({ name: `${options.shape} ${options.weights}, 16 decoding: ${name}`, value, unit, aim, samples: steps, checked });
    return [
      row('machinery share of step time', (100 * machinery) / total, '%', '<= 3 %'),
      row('step', total / steps, 'ms'),
      row('run', ms('run') / steps, 'ms'),
      row('plan', ms('plan') / steps, 'ms'),
      row('prepare', ms('prepare') / steps, 'ms'),
      row('write', ms('write') / steps, 'ms'),
      row('sample', ms('sample') / steps, 'ms'),
      row('commit', ms('commit') / steps, 'ms'),
    ];
  } finally {
    await engine.close();
  }
}
