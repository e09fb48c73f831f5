/** How long it takes until a model is open: compiled for the first time, and found in the compile cache. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shippedModel } from 'octavo';
import { readGoldens } from '../engine/check.ts';
import { benchModel } from '../engine/workload.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { median, spreadOf } from '../statistics.ts';
import type { Opened, OpenRequest } from './open-once.ts';
import { openOnce } from './run-open.ts';

/** An odd number: the median is then a start that there was. */
const WARM_SAMPLES: Readonly<Record<BenchEffort, number>> = { smoke: 1, full: 9 };

/** Effect: compiles into a cache folder of its own, each start in a process of its own. Model files are read once before, into the system's cache. */
export async function runLoadBench(effort: BenchEffort): Promise<BenchRow[]> {
  const cacheFolder = await mkdtemp(join(tmpdir(), 'octavo-load-'));
  try {
    const shape = effort === 'smoke' ? 'tiny' : '135m';
    const model = await benchModel(shape);
    const request: OpenRequest = {
      model,
      options: { weights: 'q4', cacheFolder, pages: 256 },
      prompt: [17, 18, 19],
      maxTokens: 4,
    };
    const first = await openOnce(request);
    const again = await openOften(request, first.ids, effort);
    const [golden] = readGoldens();
    if (golden === undefined) throw new Error('the shipped model has no goldens');
    const shop: OpenRequest = {
      model: shippedModel(),
      options: { cacheFolder },
      prompt: golden.token_ids,
      maxTokens: golden.greedy_token_ids.length,
    };
    await openOnce(shop, golden.greedy_token_ids);
    const shopAgain = await openOften(shop, golden.greedy_token_ids, effort);
    const row = (name: string, times: readonly number[], aim?: string): BenchRow => {
      const seconds = times.map((ms) => ms / 1000);
      return measured({
        name,
        value: median(seconds),
        unit: 's',
        aim,
        samples: seconds.length,
        spread: spreadOf(seconds),
        checked: seconds.length,
      });
    };
    const starts = `median of ${again.length} starts`;
    return [
      row(`${shape} q4, compile and open, one start`, [first.openMs], '<= 20 s'),
      row(`${shape} q4, open again, ${starts}`, timesOf(again, 'openMs')),
      row(`${shape} q4, again from process to answer, ${starts}`, timesOf(again, 'answerMs'), '<= 2 s'),
      row(`shipped model f32, open from a warm cache, ${starts}`, timesOf(shopAgain, 'openMs'), '<= 0.5 s'),
      row(`shipped model f32, process to answer, ${starts}`, timesOf(shopAgain, 'answerMs')),
    ];
  } finally {
    await rm(cacheFolder, { recursive: true, force: true });
  }
}

async function openOften(request: OpenRequest, expected: readonly number[], effort: BenchEffort): Promise<Opened[]> {
  const opened: Opened[] = [];
  while (opened.length < WARM_SAMPLES[effort]) opened.push(await openOnce(request, expected));
  return opened;
}

function timesOf(samples: readonly Opened[], field: 'openMs' | 'answerMs'): number[] {
  return samples.map((sample) => sample[field]);
}
