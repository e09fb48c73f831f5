/** How long the caller's event loop is held up while 16 sequences decode in the worker. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { SEQUENCES, withBenchEngine } from './bench-engine.ts';

/** The histogram's timer fires every millisecond, so an idle loop reports about 1 ms; the idle figure is printed beside the busy one. */
const RESOLUTION_MS = 1;

/** Effect: decodes 16 streams in a worker while this thread's delays are recorded. */
export function runEventLoop(effort: BenchEffort): Promise<BenchRow[]> {
  return withBenchEngine('worker', effort, async ({ engine, title, newTokens, prompts, checked }) => {
    const stream = async (ids: Uint32Array) => {
      let tokens = 0;
      for await (const delta of engine.generate({ ids, maxTokens: newTokens, ignoreEos: true }))
        tokens += delta.ids.length;
      if (tokens !== newTokens) throw new Error(`a stream ended after ${tokens} of ${newTokens} tokens`);
    };
    const idle = await delayDuring(() => new Promise((resolve) => setTimeout(resolve, 1000)));
    const busy = await delayDuring(() => Promise.all(prompts.map(stream)));
    const row = (name: string, value: number, samples: number, aim?: string): BenchRow =>
      measured({ name: `${title}, event loop delay, ${name}`, value, unit: 'ms', aim, samples, checked });
    return [
      row('idle p99', idle.p99, idle.samples),
      row(`${SEQUENCES} decoding p50`, busy.p50, busy.samples),
      row(`${SEQUENCES} decoding p99`, busy.p99, busy.samples, '<= 10 ms'),
      row(`${SEQUENCES} decoding max`, busy.max, busy.samples),
    ];
  });
}

async function delayDuring(work: () => Promise<unknown>) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  await work();
  histogram.disable();
  const ms = (nanoseconds: number) => nanoseconds / 1e6;
  return {
    p50: ms(histogram.percentile(50)),
    p99: ms(histogram.percentile(99)),
    max: ms(histogram.max),
    samples: histogram.count,
  };
}
