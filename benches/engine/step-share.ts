/**
 * What the machinery costs beside the model: the share of step time that planning, tensor preparation, row writing and commit take
 * while 16 sequences over one shared prefix decode.
 */
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { SEQUENCES, withBenchEngine } from './bench-engine.ts';

/** Effect: decodes 16 sequences in this thread. */
export function runStepShare(effort: BenchEffort): Promise<BenchRow[]> {
  return withBenchEngine('in-thread', effort, async ({ engine, title, newTokens, prompts, checked }) => {
    const before = await engine.stats();
    await Promise.all(prompts.map((ids) => engine.generate({ ids, maxTokens: newTokens, ignoreEos: true }).result()));
    const after = await engine.stats();
    const steps = after.steps - before.steps;
    const parts = ['run', 'plan', 'prepare', 'write', 'sample', 'commit'] as const;
    const ms = (part: (typeof parts)[number]) => after.stepMs[part] - before.stepMs[part];
    const machinery = ms('plan') + ms('prepare') + ms('write') + ms('commit');
    const total = machinery + ms('run') + ms('sample');
    const row = (name: string, value: number, unit: string, aim?: string): BenchRow =>
      measured({ name: `${title}, ${SEQUENCES} decoding: ${name}`, value, unit, aim, samples: steps, checked });
    return [
      row('machinery share of step time', (100 * machinery) / total, '%', '<= 3 %'),
      row('step', total / steps, 'ms'),
      row('decoded tokens a second', (1000 * SEQUENCES * newTokens) / total, '/s'),
      ...parts.map((part) => row(part, ms(part) / steps, 'ms')),
    ];
  });
}
