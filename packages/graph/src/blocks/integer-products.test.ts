/** Products of rows and matrices in 8 bits, as a compiled graph makes them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviation, randomFloats } from '../compare.testing.ts';
import { GraphBuilder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { multiply } from '../ir/operators.ts';
import { type TestTensor, writeModel } from '../model-folder.testing.ts';
import { type OrtTensor, ort } from '../ort.testing.ts';
import { placeWeights } from '../weights/placement.ts';
import { WeightFiles } from '../weights/weight-files.ts';
import { writeGraph } from '../write-graph.ts';
import { activate } from './activation.ts';
import type { LinearDescription } from './description.ts';
import { project, projectOne } from './linear.ts';
import { mlp } from './mlp.ts';

interface ProductCase {
  readonly name: string;
  readonly width: number;
  readonly outs: readonly number[];
  readonly stored: NonNullable<LinearDescription['stored']>;
  readonly hasBias: boolean;
}

/** Widths and heights with a rest behind what kernels take at a time. */
const cases: readonly ProductCase[] = [
  { name: 'one matrix', width: 64, outs: [48], stored: 'out-in', hasBias: false },
  { name: 'stacked matrices with biases', width: 103, outs: [37, 5, 11], stored: 'out-in', hasBias: true },
  { name: 'stacked matrices stored as [in, out]', width: 131, outs: [24, 7], stored: 'in-out', hasBias: true },
];
const MOST_ROWS = 512;

const tensorOf = (name: string, shape: readonly number[], seed: number): TestTensor => ({
  name,
  shape,
  floats: randomFloats(
    shape.reduce((product, dim) => product * dim, 1),
    seed,
  ),
});

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'octavo-integers-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

describe.each(cases)('products in whole numbers with $name', ({ name, width, outs, stored, hasBias }) => {
  const matrices = outs.map((out, at) =>
    tensorOf(`m${at}`, stored === 'in-out' ? [width, out] : [out, width], 10 + at),
  );
  const biases = hasBias ? outs.map((out, at) => tensorOf(`b${at}`, [out], 20 + at)) : [];
  const total = outs.reduce((sum, out) => sum + out, 0);
  const x = randomFloats(MOST_ROWS * width, 3);
  const zeroRow = 5;
  // Rows of very different sizes, and one of zeros.
  for (let at = 0; at < x.length; at += 1) x[at] = (x[at] as number) * 10 ** ((Math.floor(at / width) % 9) - 4);
  x.fill(0, zeroRow * width, (zeroRow + 1) * width);
  let run: (first: number, count: number) => Promise<Float32Array>;
  let close: () => Promise<void>;

  beforeAll(async () => {
    const folder = join(scratch, name);
    writeModel(folder, { edit: () => [...matrices, ...biases] });
    const files = await WeightFiles.open(folder);
    const graph = GraphBuilder.create();
    const build = { graph, weights: files, format: 'w8a8' } as const;
    const linear = outs.map((out, at) => ({
      tensor: `m${at}`,
      in: width,
      out,
      stored,
      ...(hasBias && { bias: `b${at}` }),
    }));
    const products = project(build, graph.input('x', 'float32', [1, 'M', width]), linear);
    for (const product of products) graph.output(product);
    const finished = graph.finish();
    const placed = { graph: finished, placement: placeWeights(finished, files) };
    await writeGraph(join(folder, 'product.onnx'), placed, { files, onProgress: () => {} });
    await files.close();
    const session = await ort.InferenceSession.create(join(folder, 'product.onnx'), { intraOpNumThreads: 2 });
    close = () => session.release();
    run = async (first, count) => {
      const rows = x.subarray(first * width, (first + count) * width);
      const outputs = await session.run({ x: new ort.Tensor('float32', rows, [1, count, width]) });
      const parts = products.map((product) => (outputs[product.name] as OrtTensor).data as Float32Array);
      // One row after the other, as if the products were one.
      const together = new Float32Array(count * total);
      for (let row = 0; row < count; row += 1) {
        let at = row * total;
        for (const [index, out] of outs.entries()) {
          together.set((parts[index] as Float32Array).subarray(row * out, (row + 1) * out), at);
          at += out;
        }
      }
      return together;
    };
  });
  afterAll(() => close());

  it('are those of the rounded rows and columns', async () => {
    const count = 18;
    const made = await run(0, count);
    const columns = outs.flatMap((out, at) => {
      const { floats } = matrices[at] as TestTensor;
      return Array.from({ length: out }, (_, column) =>
        Float32Array.from(
          { length: width },
          (_, row) => floats[stored === 'in-out' ? row * out + column : column * width + row] as number,
        ),
      ).map(roundedColumn);
    });
    const added = biases.flatMap(({ floats }) => [...floats]);
    expect(columns).toHaveLength(total);
    for (let row = 0; row < count; row += 1) {
      const rounded = roundedRow(x.subarray(row * width, (row + 1) * width));
      const expected = columns.map(
        (column, at) => column.reduce((sum, w, place) => sum + w * (rounded[place] as number), 0) + (added[at] ?? 0),
      );
      expect(deviation(made.subarray(row * total, (row + 1) * total), expected)).toBeLessThan(1e-6);
    }
  });

  it('are zeros, or the biases, for a row of zeros', async () => {
    const expected = hasBias ? biases.flatMap(({ floats }) => [...floats]) : new Array<number>(total).fill(0);
    const among = (await run(0, 18)).subarray(zeroRow * total, (zeroRow + 1) * total);
    expect([...among].map((y) => y + 0)).toEqual(expected);
    expect([...(await run(zeroRow, 1))].map((y) => y + 0)).toEqual(expected);
  });

  it('have the same bits for a row alone and among 2 to 512', async () => {
    const bytesOf = (rows: Float32Array) => Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength);
    const all = await run(0, MOST_ROWS);
    const sizes = [1, 2, 3, 4, 7, 16, 31, 64, 130, 257];
    for (const count of sizes) {
      for (const first of [0, 4, MOST_ROWS - count]) {
        const some = await run(first, count);
        expect(some).toHaveLength(count * total);
        expect(bytesOf(some).equals(bytesOf(all.subarray(first * total, (first + count) * total)))).toBe(true);
      }
    }
  });
});

describe('a gated MLP in whole numbers, which leaves the factors of rows out until its last product', () => {
  const hidden = 72;
  const inner = 130;
  const rowCount = 24;
  const zeroRow = 3;
  const gate = { tensor: 'gate', in: hidden, out: inner };
  const up = { tensor: 'up', in: hidden, out: inner };
  const down = { tensor: 'down', in: inner, out: hidden };
  const x = randomFloats(rowCount * hidden, 5);
  for (let at = 0; at < x.length; at += 1) x[at] = (x[at] as number) * 10 ** ((Math.floor(at / hidden) % 7) - 3);
  x.fill(0, zeroRow * hidden, (zeroRow + 1) * hidden);
  let outputs: Record<string, OrtTensor>;
  let close: () => Promise<void>;

  beforeAll(async () => {
    const folder = join(scratch, 'gated');
    const tensors = [gate, up, down].map(({ tensor, in: into, out }, at) => tensorOf(tensor, [out, into], 30 + at));
    writeModel(folder, { edit: () => tensors });
    const files = await WeightFiles.open(folder);
    const graph = GraphBuilder.create();
    const build = { graph, weights: files, format: 'w8a8' } as const;
    const input = graph.input('x', 'float32', [1, 'M', hidden]);
    const description = { kind: 'gated', activation: 'silu', input: { kind: 'apart', gate, up }, down } as const;
    const name = (value: Value, as: string) =>
      graph.output(graph.call({ operator: 'Identity', inputs: [value] }, 'float32', value.shape, as));
    name(mlp(build, input, description), 'left out');
    const [finishedGate, finishedUp] = project(build, input, [gate, up]) as [Value, Value];
    name(
      projectOne(build, multiply(graph, activate(graph, finishedGate, 'silu'), finishedUp), down),
      'multiplied in at once',
    );
    const finished = graph.finish();
    const placed = { graph: finished, placement: placeWeights(finished, files) };
    await writeGraph(join(folder, 'mlp.onnx'), placed, { files, onProgress: () => {} });
    await files.close();
    const session = await ort.InferenceSession.create(join(folder, 'mlp.onnx'), { intraOpNumThreads: 2 });
    close = () => session.release();
    outputs = await session.run({ x: new ort.Tensor('float32', x, [1, rowCount, hidden]) });
  });
  afterAll(() => close());

  it('gives each row what it gives with the factors multiplied in at once', () => {
    const [made, expected] = ['left out', 'multiplied in at once'].map((name) => outputs[name]?.data as Float32Array);
    for (let row = 0; row < rowCount; row += 1) {
      const ofRow = (all: Float32Array | undefined) => all?.subarray(row * hidden, (row + 1) * hidden) as Float32Array;
      expect(ofRow(expected).some((y) => y !== 0)).toBe(row !== zeroRow);
      expect(deviation(ofRow(made), ofRow(expected))).toBeLessThan(1e-5);
    }
  });
});

/** Code x scale for each element: 127 codes on either side of 0. */
function roundedColumn(column: Float32Array): number[] {
  const scale = Math.fround(column.reduce((most, w) => Math.max(most, Math.abs(w)), 0) / 127);
  return [...column].map((w) => Math.round(w / scale) * scale);
}

/** In float32 as the graph has it, halves to the even code. */
function roundedRow(row: Float32Array): number[] {
  const extreme = row.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  if (extreme === 0) return [...row];
  const step = Math.fround(1 / 127);
  return [...row].map((x) => {
    const place = Math.fround(Math.fround(x / extreme) / step);
    const below = Math.floor(place);
    const half = place - below === 0.5;
    const code = half ? below + (below & 1) : Math.round(place);
    return code * step * extreme;
  });
}
