/**
 * How much memory opening a model takes, against the bytes of its float32 weights. OCTAVO_BENCH_MEMORY chooses the shape:
 * `small` (100 MB; what a smoke run takes), `135m` (the default, 540 MB) or `1.3b` (5.3 GB, made on first use).
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { benchCache, benchModel, type ShapeName, shapes } from '../engine/workload.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import type { Opened } from './open-once.ts';
import { openOnce } from './run-open.ts';

/** Above it, the weights are in memory nearly twice. A tied embedding is: as rows to gather, and packed for the head. */
const MOST = 1.6;

/** Effect: opens the model, and one without weights worth mentioning, each in a process of its own, and generates a token. */
export async function runMemoryBench(effort: BenchEffort): Promise<BenchRow[]> {
  const shape = shapeOf(process.env.OCTAVO_BENCH_MEMORY ?? (effort === 'smoke' ? 'small' : '135m'));
  const base = await open('tiny');
  const opened = await open(shape);
  if (base.peakBytes === undefined || opened.peakBytes === undefined) return [];
  const model = await benchModel(shape);
  const weightBytes = (await stat(join(model, 'model.safetensors'))).size;
  const ratio = (opened.peakBytes - base.peakBytes) / weightBytes;
  if (ratio > MOST) throw new Error(`opening takes ${ratio.toFixed(2)} times the bytes of the weights`);
  const row = (name: string, value: number, unit: string, aim?: string): BenchRow =>
    measured({ name: `${shape} f32: ${name}`, value, unit, aim, samples: 1, checked: opened.ids.length });
  const mib = (bytes: number) => bytes / 2 ** 20;
  return [
    row('weights', mib(weightBytes), 'MiB'),
    row('resident at most, a process with a tiny model taken off', mib(opened.peakBytes - base.peakBytes), 'MiB'),
    row('that against the weights', ratio, 'x', '<= 1.3 x'),
    row('open', opened.openMs / 1000, 's'),
  ];
}

/** Compiled before it is measured, and then opened as a server would at its second start; both must give the same tokens. */
async function open(shape: ShapeName): Promise<Opened> {
  const request = {
    model: await benchModel(shape),
    options: { cacheFolder: benchCache(), pages: 16 },
    prompt: [17, 18, 19],
    maxTokens: 4,
  };
  const first = await openOnce(request);
  return openOnce(request, first.ids);
}

function shapeOf(name: string): ShapeName {
  if (Object.hasOwn(shapes, name)) return name as ShapeName;
  throw new Error(`OCTAVO_BENCH_MEMORY is ${name}: give ${Object.keys(shapes).join(', ')}`);
}
