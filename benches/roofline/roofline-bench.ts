/**
 * How near a decode step comes to what the machine allows: the larger of reading all weights and the past once at the speed of memory, and
 * multiplying with all weights at the speed of large products. Beside it stands what the step's own products take in the runtime with nothing around
 * them: the part of the distance that no graph can close.
 */
import type { EngineInfo } from 'octavo';
import { benchModel, type ShapeName, shapes } from '../engine/workload.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { median, spreadOf } from '../statistics.ts';
import { goldensChecked, withEngine } from '../step/bench-session.ts';
import { decodeWindow } from '../step/decode-window.ts';
import { seededIds } from '../token-ids.ts';
import { type MachineLimits, machineLimits, productSeconds } from './machine-limits.ts';
import { type ProductShape, q4Bytes } from './operator-graph.ts';

const PAST_TOKENS = 64;
const BATCHES = [1, 16];
/** Timed windows of decoding, of which the median counts. */
const WINDOWS = 3;

export async function runRoofline(effort: BenchEffort): Promise<BenchRow[]> {
  const smoke = effort === 'smoke';
  const checked = await goldensChecked();
  const limits = await machineLimits(effort);
  const row = (name: string, values: readonly number[], unit: string, aim?: string): BenchRow => {
    const spread = spreadOf(values);
    return measured({
      name: `roofline: ${name}`,
      value: median(values),
      unit,
      aim,
      samples: values.length,
      spread,
      checked,
    });
  };
  const rows = [
    row('memory, one-row products', [limits.bytesPerSecond / 1e9], 'GB/s'),
    row('memory, one-row q4 products', [limits.q4BytesPerSecond / 1e9], 'GB/s'),
    row('q4 products of many rows', [limits.q4OperationsPerSecond / 1e9], 'GFLOP/s'),
    row('f32 products of many rows', [limits.f32OperationsPerSecond / 1e9], 'GFLOP/s'),
  ];
  const names: readonly ShapeName[] = smoke ? ['tiny'] : ['135m', '0.5b'];
  for (const shape of names) {
    const model = await benchModel(shape);
    const alone = new Map<number, number>();
    for (const batch of BATCHES) {
      alone.set(batch, await productSeconds(stepProducts(shape), { rows: batch, runs: smoke ? 1 : 20 }));
    }
    await withEngine(model, { weights: 'q4', maxSequences: 16, contextTokens: 512 }, async (engine) => {
      for (const batch of BATCHES) {
        const prompts = Array.from({ length: batch }, (_, index) =>
          seededIds(index, PAST_TOKENS, shapes[shape].vocabulary),
        );
        const newTokens = smoke ? 8 : 48;
        await decodeWindow(engine, prompts, newTokens);
        const times: number[] = [];
        while (times.length < (smoke ? 1 : WINDOWS)) {
          times.push((await decodeWindow(engine, prompts, newTokens)).stepMs);
        }
        const limitMs =
          1_000 * stepLimit(limits, { shape, info: engine.info, batch, past: PAST_TOKENS + newTokens / 2 });
        const aim = shape === '0.5b' ? '<= 1.6 x' : undefined;
        rows.push(
          row(`${shape}, ${batch} sequences: step`, times, 'ms'),
          row(`${shape}, ${batch} sequences: limit`, [limitMs], 'ms'),
          row(`${shape}, ${batch} sequences: its products alone`, [1_000 * (alone.get(batch) as number)], 'ms'),
          row(
            `${shape}, ${batch} sequences: step / limit`,
            times.map((ms) => ms / limitMs),
            'x',
            aim,
          ),
        );
      }
    });
  }
  return rows;
}

/** Seconds below which no step of `batch` rows can be. Pure. */
function stepLimit(
  limits: MachineLimits,
  of: { readonly shape: ShapeName; readonly info: EngineInfo; readonly batch: number; readonly past: number },
): number {
  const parameters = linearParameters(of.shape);
  const bytes = q4Bytes(parameters) + of.batch * of.past * of.info.bytesPerToken;
  const operations = 2 * parameters * of.batch;
  return Math.max(bytes / limits.bytesPerSecond, operations / limits.q4OperationsPerSecond);
}

/** Elements of the matrices that every row is multiplied with: all layers and the head. */
function linearParameters(name: ShapeName): number {
  return stepProducts(name).reduce((sum, { into, out }) => sum + into * out, 0);
}

/** Matrices of a step as the engine multiplies with them: four a layer, and the head. */
function stepProducts(name: ShapeName): ProductShape[] {
  const { hidden, layers, heads, kvHeads, intermediate, vocabulary } = shapes[name];
  const layer = [
    { into: hidden, out: hidden + 2 * (hidden / heads) * kvHeads },
    { into: hidden, out: hidden },
    { into: hidden, out: 2 * intermediate },
    { into: intermediate, out: hidden },
  ];
  return [...Array.from({ length: layers }, () => layer).flat(), { into: hidden, out: vocabulary }];
}
