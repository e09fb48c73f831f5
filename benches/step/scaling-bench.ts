/** How a step grows: with the batch, with what is shared, with what is private, and how matching grows with the index. */
import type { Engine } from 'octavo';
import { benchModel, shapes } from '../engine/workload.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import { createMatchWorkload, EXPECTED_MATCH } from '../micro/kv-workload.ts';
import type { BenchEffort } from '../micro/measure.ts';
import { fitExponent, fitLine } from '../statistics.ts';
import { joined, seededIds } from '../token-ids.ts';
import { goldensChecked, withEngine } from './bench-session.ts';
import { type DecodeWindow, decodeWindow } from './decode-window.ts';

interface Point {
  readonly batch: number;
  readonly sharedTokens: number;
  readonly privateTokens: number;
}

const base: Point = { batch: 8, sharedTokens: 256, privateTokens: 32 };
const sweeps: Readonly<Record<keyof Point, { readonly full: readonly number[]; readonly smoke: readonly number[] }>> = {
  batch: { full: [1, 2, 4, 8, 16, 32, 64], smoke: [1, 4] },
  sharedTokens: { full: [0, 512, 1_024, 2_048, 4_096, 7_936], smoke: [0, 128] },
  privateTokens: { full: [32, 64, 128, 256, 512], smoke: [16, 64] },
};
const names: Readonly<Record<keyof Point, string>> = {
  batch: 'sequences',
  sharedTokens: 'shared tokens',
  privateTokens: 'private tokens',
};

export async function runScalingBench(effort: BenchEffort): Promise<BenchRow[]> {
  const shape = effort === 'smoke' ? 'tiny' : '135m';
  const newTokens = effort === 'smoke' ? 8 : 20;
  const checked = await goldensChecked();
  const model = await benchModel(shape);
  const largest = 1 + Math.ceil((8_192 + 64 * (256 + 128)) / 16) + 64 * 8;
  const pages = effort === 'smoke' ? 512 : largest;
  const steps = await withEngine(model, { weights: 'q4', maxSequences: 64, pages }, async (engine) => {
    const measure = (point: Point) => stepOf(engine, point, { vocabulary: shapes[shape].vocabulary, newTokens });
    await measure(base);
    const rows: BenchRow[] = [];
    for (const axis of Object.keys(sweeps) as (keyof Point)[]) {
      const points: { x: number; y: number }[] = [];
      for (const x of sweeps[axis][effort]) {
        const { stepMs, heldPages } = await measure({ ...base, [axis]: x });
        points.push({ x, y: stepMs });
        rows.push(
          row(`step over ${x} ${names[axis]}`, stepMs, 'ms', checked),
          row(`pages held for ${x} ${names[axis]}`, heldPages, '', checked),
        );
      }
      const { intercept, slope } = fitLine(points);
      rows.push(
        row(`step without ${names[axis]}, fitted`, intercept, 'ms', checked),
        row(`step for each of the ${names[axis]}, fitted`, 1_000 * slope, 'us', checked),
      );
    }
    return rows;
  });
  return [...steps, ...indexRows(effort)];
}

function stepOf(
  engine: Engine,
  point: Point,
  of: { readonly vocabulary: number; readonly newTokens: number },
): Promise<DecodeWindow> {
  const shared = seededIds(81, point.sharedTokens, of.vocabulary);
  const prompts = Array.from({ length: point.batch }, (_, row) =>
    joined([shared, seededIds(9_000 + row, point.privateTokens, of.vocabulary)]),
  );
  return decodeWindow(engine, prompts, of.newTokens);
}

const MATCHES = 2_000;

/** Time of a match of 1,000 tokens against the number of pages in the index. */
function indexRows(effort: BenchEffort): BenchRow[] {
  const counts = effort === 'smoke' ? [1_000, 4_000] : [1_000, 10_000, 100_000, 1_000_000];
  const points = counts.map((others) => {
    const { cache, crowd } = createMatchWorkload({ index: 'radix', others, siblings: Math.floor(others / 10) });
    const match = () => cache.match(crowd, crowd.length, '').matchedTokens;
    for (let at = 0; at < MATCHES; at++) {
      if (match() !== EXPECTED_MATCH) throw new Error('a match is wrong');
    }
    const began = performance.now();
    for (let at = 0; at < MATCHES; at++) match();
    return { x: others, y: (1_000 * (performance.now() - began)) / MATCHES };
  });
  return [
    ...points.map(({ x, y }) =>
      row(`match of 1,000 tokens, ${x.toLocaleString('en')} pages in the index`, y, 'us', MATCHES),
    ),
    row('match against pages in the index: exponent of the fitted power', fitExponent(points), '', MATCHES),
  ];
}

function row(name: string, value: number, unit: string, checked: number): BenchRow {
  return measured({ name: `scaling: ${name}`, value, unit, samples: 1, checked });
}
