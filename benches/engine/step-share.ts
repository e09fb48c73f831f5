/**
 * What the machinery costs beside the model: the share of step time that planning, tensor preparation, row writing and commit take
 * while 16 sequences over one shared prefix decode.
 */
import { type BenchRow, measured } from '../micro/bench-row.ts';
import { type EngineBenchOptions, SEQUENCES, withBenchEngine } from './bench-engine.ts';

/** Effect: decodes 16 sequences in this thread. */
export function runStepShare(options: EngineBenchOptions): Promise<BenchRow[]> {
  return withBenchEngine('in-thread', options, async ({ engine, prompts, checked }) => {
    const before = await engine.stats();
    const { newTokens: maxTokens } = options;
    await Promise.all(prompts.map((ids) => engine.generate({ ids, maxTokens, ignoreEos: true }).result()));
    const after = await engine.stats();
    const steps = after.steps - before.steps;
    const parts = ['run', 'plan', 'prepare', 'write', 'sample', 'commit'] as const;
    const ms = (part: (typeof parts)[number]) => after.stepMs[part] - before.stepMs[part];
    const machinery = ms('plan') + ms('prepare') + ms('write') + ms('commit');
    const total = machinery + ms('run') + ms('sample');
    const title = `${options.shape} ${options.weights}, ${SEQUENCES} decoding`;
    const row = (name: string, value: number, unit: string, aim?: string): BenchRow =>
      measured({ name: `${title}: ${name}`, value, unit, aim, samples: steps, checked });
    return [
      row('machinery share of step time', (100 * machinery) / total, '%', '<= 3 %'),
      row('step', total / steps, 'ms'),
      row('decoded tokens a second', (1000 * SEQUENCES * options.newTokens) / total, '/s'),
      ...parts.map((part) => row(part, ms(part) / steps, 'ms')),
    ];
  });
}
