import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HeadShape, referenceAttention } from '../attention.testing.ts';
import { deviation, randomFloats } from '../compare.testing.ts';
import { GraphBuilder } from '../ir/builder.ts';
import { reshape } from '../ir/operators.ts';
import { emitOnnx } from '../onnx/emit.ts';
import {
  attentionFeeds,
  type GroupSpec,
  type LayerPools,
  type OrtTensor,
  ort,
  type PoolShape,
  type StepSpec,
} from '../ort.testing.ts';
import { stepInputs } from '../step-interface.ts';
import { lowerPagedAttention } from './paged-attention.ts';
import { windowsOf } from './step-inputs.ts';

/** Property runs; CI default 400 (OCTAVO_PROPERTY_RUNS). */
const RUNS = Number(process.env.OCTAVO_PROPERTY_RUNS ?? 400);
const LEVELS = 3;
const SCALE = 0.37;

interface Session {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** A graph of nothing but one attention node. */
function attentionGraph(shape: HeadShape): Uint8Array {
  const { heads, kvHeads, headDim } = shape;
  const graph = GraphBuilder.create();
  const queries = graph.input('queries', 'float32', [1, 'M', heads * headDim]);
  const keys = graph.input('keys', 'float32', [1, 'M', kvHeads * headDim]);
  const values = graph.input('values', 'float32', [1, 'M', kvHeads * headDim]);
  const node = { layer: 0, ...shape, scale: SCALE, queries, keys, values };
  const attended = graph.pagedAttention(node);
  graph.output(reshape(graph, attended, { to: [-1, heads, headDim], shape: ['M', heads, headDim] }, 'attended'));
  return emitOnnx(lowerPagedAttention(graph, { levels: LEVELS }), new Map());
}

const shapes: readonly HeadShape[] = [
  { heads: 4, kvHeads: 2, headDim: 8 },
  { heads: 3, kvHeads: 1, headDim: 6 },
  { heads: 2, kvHeads: 2, headDim: 4 },
  { heads: 2, kvHeads: 2, headDim: 4, window: 1 },
  { heads: 4, kvHeads: 2, headDim: 8, window: 5 },
  { heads: 3, kvHeads: 1, headDim: 6, window: 3, softcap: 4 },
  { heads: 4, kvHeads: 2, headDim: 8, softcap: 2 },
];

interface Case {
  readonly shape: HeadShape;
  readonly step: StepSpec;
  readonly pool: PoolShape;
  readonly seed: number;
  /** How far scores are spread: large ones make a softmax that has one winner. */
  readonly spread: number;
}

describe('lowered attention over pages', () => {
  const sessions = new Map<HeadShape, Session>();
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'octavo-attention-'));
    for (const [index, shape] of shapes.entries()) {
      const file = join(folder, `${index}.onnx`);
      writeFileSync(file, attentionGraph(shape));
      const session = await ort.InferenceSession.create(file, { enableMemPattern: false, intraOpNumThreads: 1 });
      sessions.set(shape, session as Session);
    }
  });
  afterAll(async () => {
    for (const session of sessions.values()) await session.release();
    rmSync(folder, { recursive: true });
  });

  interface RunOptions {
    /** What slots that no row may read are filled with. */
    readonly poison?: number;
    /** Changes the inputs of a step that stays the same. */
    readonly alter?: (feeds: Record<string, OrtTensor>) => void;
  }

  async function run(given: Case, options: RunOptions = {}): Promise<{ actual: Float32Array; expected: Float64Array }> {
    const { shape, step, pool, seed, spread } = given;
    const { heads, kvHeads, headDim } = shape;
    const rowCount = step.tokens.length;
    const elements = kvHeads * pool.pages * pool.pageSize * headDim;
    const pools: LayerPools = { keys: randomFloats(elements, seed), values: randomFloats(elements, seed + 1) };
    const rows = {
      queries: randomFloats(rowCount * heads * headDim, seed + 2).map((x) => x * spread),
      keys: randomFloats(rowCount * kvHeads * headDim, seed + 3),
      values: randomFloats(rowCount * kvHeads * headDim, seed + 4),
    };
    const expected = referenceAttention({ shape, rows, step, pools, pool, scale: SCALE });
    const { poison, alter } = options;
    if (poison !== undefined) poisonUnread(pools, { step, pool, shape, poison });
    const feeds = attentionFeeds({ levels: LEVELS, ...shape, ...windowsOf([shape]) }, step, { pools: [pools], pool });
    if (shape.window !== undefined)
      feeds[stepInputs.positions] = new ort.Tensor('int32', Int32Array.from(step.positions), [rowCount]);
    feeds.queries = new ort.Tensor('float32', rows.queries, [1, rowCount, heads * headDim]);
    feeds.keys = new ort.Tensor('float32', rows.keys, [1, rowCount, kvHeads * headDim]);
    feeds.values = new ort.Tensor('float32', rows.values, [1, rowCount, kvHeads * headDim]);
    alter?.(feeds);
    const outputs = await (sessions.get(shape) as Session).run(feeds);
    return { actual: outputs.attended?.data as Float32Array, expected };
  }

  it('equals plain loops for any levels, groups, pages and chunks', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryCase(), async (given) => {
        const { actual, expected } = await run(given);
        expect(deviation(actual, expected)).toBeLessThan(1e-5);
      }),
      { numRuns: RUNS },
    );
  });

  it('does not read what lies behind the tokens of a group', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryCase(), async (given) => {
        const { actual, expected } = await run(given, { poison: 1e6 });
        expect(deviation(actual, expected)).toBeLessThan(1e-5);
      }),
      { numRuns: Math.ceil(RUNS / 4) },
    );
  });

  const [shape] = shapes as [HeadShape];
  const pool = { pages: 6, pageSize: 4 };
  const step = (rowCount: number, given: Partial<StepSpec>): StepSpec => ({
    tokens: new Array<number>(rowCount).fill(0),
    positions: new Array<number>(rowCount).fill(0),
    headRows: [],
    fullRows: [],
    levels: [],
    chunks: [],
    ...given,
  });
  const named: readonly (readonly [string, StepSpec])[] = [
    ['one row that reads nothing but itself', step(1, {})],
    ['one row over a group of 0 tokens', step(1, { levels: [[{ rows: [0], pages: [0], tokens: 0 }]] })],
    ['one row over pages that are full', step(1, { levels: [[{ rows: [0], pages: [3, 1], tokens: 8 }]] })],
    ['one row over a page that is partly filled', step(1, { levels: [[{ rows: [0], pages: [3, 1], tokens: 5 }]] })],
    [
      'one row at two levels',
      step(1, { levels: [[{ rows: [0], pages: [2], tokens: 4 }], [{ rows: [0], pages: [5], tokens: 1 }]] }),
    ],
    ['one row with only the second level on', step(1, { levels: [[], [{ rows: [0], pages: [5], tokens: 3 }]] })],
    ['rows that read nothing but themselves', step(3, {})],
    [
      'groups of 0 tokens at every level',
      step(2, { levels: [0, 1, 2].map(() => [{ rows: [0, 1], pages: [0], tokens: 0 }]) }),
    ],
    ['a chunk without a past', step(5, { chunks: [[0, 1, 2, 3, 4]] })],
    [
      'chunks of unequal length beside a row in none',
      step(6, {
        chunks: [
          [0, 1],
          [2, 3, 4],
        ],
      }),
    ],
    [
      'a chunk over its past beside rows that share pages',
      step(6, {
        levels: [
          [
            { rows: [0, 1, 2, 3], pages: [1, 2], tokens: 7 },
            { rows: [4, 5], pages: [3], tokens: 2 },
          ],
          [{ rows: [5], pages: [4], tokens: 3 }],
        ],
        chunks: [[0, 1, 2, 3]],
      }),
    ],
  ];
  it.each(named)('handles %s', async (_, given) => {
    const { actual, expected } = await run({ shape, step: given, pool, seed: 7, spread: 4 });
    expect(deviation(actual, expected)).toBeLessThan(1e-5);
  });

  it.each([1, 3])('ignores what a part was given that is off, in a step of %s rows', async (rowCount) => {
    const alter = (feeds: Record<string, OrtTensor>) => {
      for (const level of [0, 1, 2]) {
        feeds[stepInputs.levelTokens(level)] = new ort.Tensor('int32', Int32Array.of(4), [1]);
        feeds[stepInputs.levelPages(level)] = new ort.Tensor('int32', Int32Array.of(3), [1, 1]);
      }
    };
    const { actual, expected } = await run({ shape, step: step(rowCount, {}), pool, seed: 7, spread: 4 }, { alter });
    expect(deviation(actual, expected)).toBeLessThan(1e-5);
  });

  it('gives a row the same result whatever else is in the step', async () => {
    // Random rows depend on their number alone, so rows 0 and 1 are the same in both steps.
    const alone = step(2, { levels: [[{ rows: [0, 1], pages: [1, 2], tokens: 6 }]] });
    const group: GroupSpec = { rows: [0, 1], pages: [1, 2], tokens: 6 };
    const together = step(5, {
      levels: [[{ rows: [3, 4, 2], pages: [5], tokens: 4 }, group], [{ rows: [2], pages: [3, 4, 1], tokens: 9 }]],
      chunks: [[2, 3, 4]],
    });
    const one = await run({ shape, step: alone, pool, seed: 11, spread: 2 });
    const many = await run({ shape, step: together, pool, seed: 11, spread: 2 });
    expect(deviation(many.actual.subarray(0, one.actual.length), one.actual)).toBeLessThan(1e-6);
  });
});

/** Overwrites every slot that no row may read, with a finite number that would be seen in any result. */
function poisonUnread(pools: LayerPools, given: Pick<Case, 'step' | 'pool' | 'shape'> & { poison: number }): void {
  const { pages, pageSize } = given.pool;
  const read = new Set<number>();
  for (const { pages: table, tokens } of given.step.levels.flat()) {
    for (let token = 0; token < tokens; token += 1) {
      read.add((table[Math.floor(token / pageSize)] as number) * pageSize + (token % pageSize));
    }
  }
  const { kvHeads, headDim } = given.shape;
  for (let slot = 0; slot < kvHeads * pages * pageSize; slot += 1) {
    if (read.has(slot % (pages * pageSize))) continue;
    pools.keys.fill(given.poison, slot * headDim, (slot + 1) * headDim);
    pools.values.fill(given.poison, slot * headDim, (slot + 1) * headDim);
  }
}

function arbitraryCase(): fc.Arbitrary<Case> {
  const sizes = fc.record({
    shape: fc.constantFrom(...shapes),
    rowCount: fc.integer({ min: 1, max: 7 }),
    pageSize: fc.constantFrom(1, 3, 4),
    seed: fc.integer({ min: 0, max: 1000 }),
    spread: fc.constantFrom(0.1, 2, 30),
  });
  return sizes.chain(({ shape, rowCount, pageSize, seed, spread }) =>
    fc
      .record({
        levels: fc.array(arbitraryGroups(rowCount, pageSize), { maxLength: LEVELS }),
        positions: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: rowCount, maxLength: rowCount }),
        chunkOf: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: rowCount, maxLength: rowCount }),
      })
      .map(({ levels, chunkOf, positions }) => ({
        shape,
        pool: { pages: 6, pageSize },
        seed,
        spread,
        step: {
          tokens: new Array<number>(rowCount).fill(0),
          positions,
          headRows: [],
          fullRows: [],
          levels,
          // Number 0: a row in no chunk.
          chunks: [1, 2, 3].map((chunk) => rowsOf(chunkOf, chunk)).filter((rows) => rows.length > 0),
        },
      })),
  );
}

/** Up to three groups that share the rows out; a row may be in none. */
function arbitraryGroups(rowCount: number, pageSize: number): fc.Arbitrary<GroupSpec[]> {
  const pages = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 3 });
  const table = pages.chain((list) =>
    fc.record({
      pages: fc.constant(list),
      tokens: fc.integer({ min: 0, max: list.length * pageSize }),
      first: fc.integer({ min: 0, max: 12 }),
    }),
  );
  return fc
    .record({
      tables: fc.array(table, { minLength: 3, maxLength: 3 }),
      groupOf: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: rowCount, maxLength: rowCount }),
    })
    .map(({ tables, groupOf }) =>
      tables
        .map((group, index) => ({ ...group, rows: rowsOf(groupOf, index + 1) }))
        .filter(({ rows }) => rows.length > 0),
    );
}

function rowsOf(numbers: readonly number[], wanted: number): number[] {
  return numbers.flatMap((number, row) => (number === wanted ? [row] : []));
}
