/** How long the caller's event loop is held up while 16 sequences decode in the worker. */
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openEngine } from 'octavo';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import { checkGoldens } from './check.ts';
import { benchFolder, benchModel, type ShapeName, shapes, sharedPrompts } from './workload.ts';

export interface EventLoopOptions {
  readonly shape: ShapeName;
  readonly weights: 'f32' | 'q8' | 'q4';
  readonly newTokens: number;
}

/** The histogram's timer fires every millisecond, so an idle loop reports about 1 ms; the idle figure is printed beside the busy one. */
const RESOLUTION_MS = 1;

/** Effect: compiles the bench model if need be, and decodes 16 streams in a worker. */
export async function runEventLoop(options: EventLoopOptions): Promise<BenchRow[]> {
  const cacheFolder = join(benchFolder(), 'cache');
  const checked = await checkGoldens('worker', cacheFolder);
  const model = await benchModel(options.shape);
  const engine = await openEngine(model, { weights: options.weights, cacheFolder, maxSequences: 16 });
  try {
    const prompts = sharedPrompts({
      count: 16,
      sharedTokens: 256,
      privateTokens: 24,
      vocabulary: shapes[options.shape].vocabulary,
    });
    const streamAll = (maxTokens: number) =>
      Promise.all(
        prompts.map(async (ids) => {
          let tokens = 0;
          for await (const delta of engine.generate({ ids, maxTokens, ignoreEos: true })) tokens += delta.ids.length;
          if (tokens !== maxTokens) throw new Error(`a stream ended after ${tokens} of ${maxTokens} tokens`);
        }),
      );
    await streamAll(4);
    const idle = await delayDuring(() => new Promise((resolve) => setTimeout(resolve, 1000)));
    const busy = await delayDuring(() => streamAll(options.newTokens));
    const row = (name: string, value: number, samples: number, aim?: string): BenchRow =>
      measured({ name: `${options.shape} ${options.weights}, event loop delay, ${name}`, value, unit: 'ms', aim, samples, checked });
    return [
      row('idle p99', idle.p99, idle.samples),
      row('16 decoding p50', busy.p50, busy.samples),
      row('16 decoding p99', busy.p99, busy.samples, '<= 10 ms'),
      row('16 decoding max', busy.max, busy.samples),
    ];
  } finally {
    await engine.close();
  }
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
