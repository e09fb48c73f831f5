import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referenceAttention } from '../attention.testing.ts';
import { deviation, randomFloats } from '../compare.testing.ts';
import type { KvType } from '../compiled-model.ts';
import { GraphBuilder } from '../ir/builder.ts';
import { reshape } from '../ir/operators.ts';
import { emitOnnx } from '../onnx/emit.ts';
import { attentionFeeds, type OrtTensor, ort, type StepSpec } from '../ort.testing.ts';
import { formatRows } from '../page-rows.testing.ts';
import { stepInputs, stepOutputs } from '../step-interface.ts';
import { lowerPagedAttention } from './paged-attention.ts';

const shape = { heads: 4, kvHeads: 2, headDim: 8 };
const { heads, kvHeads, headDim } = shape;
const pool = { pages: 6, pageSize: 4 };
const LEVELS = 2;

interface Session {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

function attentionGraph(kvType: KvType): Uint8Array {
  const graph = GraphBuilder.create();
  const input = (name: string, width: number) => graph.input(name, 'float32', [1, 'M', width * headDim]);
  const rows = { queries: input('queries', heads), keys: input('keys', kvHeads), values: input('values', kvHeads) };
  const attended = graph.pagedAttention({ layer: 0, ...shape, scale: 0.4, ...rows });
  graph.output(reshape(graph, attended, { to: [-1, heads, headDim], shape: ['M', heads, headDim] }, 'attended'));
  return emitOnnx(lowerPagedAttention(graph, { levels: LEVELS, kvType }), new Map());
}

const steps: readonly (readonly [string, StepSpec])[] = [
  ['one row', stepOf(1, { levels: [[{ rows: [0], pages: [3, 1], tokens: 7 }]] })],
  [
    'rows that share pages, and a chunk',
    stepOf(5, {
      levels: [[{ rows: [0, 1, 2, 3], pages: [1, 2], tokens: 8 }], [{ rows: [4], pages: [5], tokens: 3 }]],
      chunks: [[1, 2, 3]],
    }),
  ],
];

function stepOf(rowCount: number, given: Partial<StepSpec>): StepSpec {
  const none = new Array<number>(rowCount).fill(0);
  return { tokens: none, positions: none, headRows: [], fullRows: [], levels: [], chunks: [], ...given };
}

describe.each<KvType>(['f32', 'f16', 'int8'])('attention over %s pages', (kvType) => {
  let folder: string;
  let session: Session;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'octavo-format-'));
    writeFileSync(join(folder, 'a.onnx'), attentionGraph(kvType));
    session = (await ort.InferenceSession.create(join(folder, 'a.onnx'), { intraOpNumThreads: 1 })) as Session;
  });
  afterAll(async () => {
    await session.release();
    rmSync(folder, { recursive: true });
  });

  async function run(step: StepSpec, spread = 3) {
    const rowCount = step.tokens.length;
    const elements = kvHeads * pool.pages * pool.pageSize * headDim;
    const [keyPages, valuePages] = [1, 2].map((seed) => formatRows(randomFloats(elements, seed), headDim, kvType)) as [
      ReturnType<typeof formatRows>,
      ReturnType<typeof formatRows>,
    ];
    const fresh = [3, 4].map((seed) => randomFloats(rowCount * kvHeads * headDim, seed).map((x) => x * spread + 0));
    const [keys, values] = fresh.map((rows) => formatRows(rows, headDim, kvType)) as [
      ReturnType<typeof formatRows>,
      ReturnType<typeof formatRows>,
    ];
    const queries = randomFloats(rowCount * heads * headDim, 5);
    const pools = { keys: keyPages.seen, values: valuePages.seen };
    const graph = { levels: LEVELS, ...shape, windows: [], hasFullLayers: true };
    const feeds = attentionFeeds(graph, step, { pools: [pools], pool });
    const dims = [kvHeads, pool.pages, pool.pageSize, headDim];
    const type = { f32: 'float32', f16: 'float16', int8: 'int8' }[kvType];
    for (const [pages, scales, rows] of [
      [stepInputs.keyPages(0), stepInputs.keyScales(0), keyPages],
      [stepInputs.valuePages(0), stepInputs.valueScales(0), valuePages],
    ] as const) {
      feeds[pages] = new ort.Tensor(type, rows.elements, dims);
      if (rows.scales !== undefined) feeds[scales] = new ort.Tensor('float32', rows.scales, dims.slice(0, 3));
    }
    feeds.queries = new ort.Tensor('float32', queries, [1, rowCount, heads * headDim]);
    feeds.keys = new ort.Tensor('float32', fresh[0] as Float32Array, [1, rowCount, kvHeads * headDim]);
    feeds.values = new ort.Tensor('float32', fresh[1] as Float32Array, [1, rowCount, kvHeads * headDim]);
    const rows = { queries, keys: keys.seen, values: values.seen };
    const expected = referenceAttention({ shape, rows, step, pools, pool, scale: 0.4 });
    return { outputs: await session.run(feeds), expected, keys, values };
  }

  it.each(steps)('sees rows as pages hold them, also those of the step itself: %s', async (_, step) => {
    const { outputs, expected } = await run(step);
    expect(deviation(outputs.attended?.data as Float32Array, expected)).toBeLessThan(1e-5);
  });

  it('hands out new rows in the format of the pages', async () => {
    const { outputs, keys, values } = await run((steps[1] as (typeof steps)[number])[1]);
    for (const [name, scales, rows] of [
      [stepOutputs.newKeys, stepOutputs.newKeyScales, keys],
      [stepOutputs.newValues, stepOutputs.newValueScales, values],
    ] as const) {
      expect(outputs[name]?.dims).toEqual([1, 5, kvHeads * headDim]);
      expect(Array.from(outputs[name]?.data as Int8Array)).toEqual(Array.from(rows.elements));
      expect(outputs[scales]?.data).toEqual(rows.scales);
    }
  });

  it('keeps a row of zeros zero', async () => {
    const { outputs } = await run(stepOf(2, { chunks: [[0, 1]] }), 0);
    const keys = outputs[stepOutputs.newKeys] as OrtTensor;
    expect(Array.from(keys.data as Int8Array)).toEqual(new Array(2 * kvHeads * headDim).fill(0));
    const attended = outputs.attended as OrtTensor;
    expect((attended.data as Float32Array).every((element) => Number.isFinite(element))).toBe(true);
  });
});
