import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deviation, randomFloats } from '../compare.testing.ts';
import { GraphBuilder } from '../ir/builder.ts';
import { emitOnnx } from '../onnx/emit.ts';
import { type OrtTensor, ort } from '../ort.testing.ts';
import {
  blocksOf,
  codeBytesOf,
  MOST_CODE_OF_4_BITS,
  type QuantizedLayout,
  type QuantizedRows,
  quantizeColumns,
  quantizeRows,
  roundInBlocks,
} from './quantize.ts';

function quantize(rows: Float32Array, layout: QuantizedLayout): QuantizedRows & { spoiled: number | undefined } {
  const count = rows.length / layout.columns;
  const into = {
    codes: new Uint8Array(count * codeBytesOf(layout)),
    scales: new Float32Array(count * blocksOf(layout)),
  };
  return { ...into, spoiled: quantizeRows(rows, layout, into) };
}

/** What the codes stand for, without the padding. */
function dequantize({ codes, scales }: QuantizedRows, layout: QuantizedLayout): Float32Array {
  const blocks = blocksOf(layout);
  const rowCount = scales.length / blocks;
  const zero = 1 << (layout.bits - 1);
  return Float32Array.from({ length: rowCount * layout.columns }, (_, index) => {
    const row = Math.floor(index / layout.columns);
    const at = row * blocks * layout.block + (index % layout.columns);
    const code = layout.bits === 8 ? (codes[at] as number) : ((codes[at >> 1] as number) >> (4 * (at & 1))) & 15;
    return (code - zero) * (scales[Math.floor(at / layout.block)] as number);
  });
}

const layouts: readonly QuantizedLayout[] = [4, 8].flatMap((bits) =>
  [32, 64, 40, 7].map((columns) => ({ columns, block: 32, bits: bits as 4 | 8 })),
);

describe('quantizeRows', () => {
  it.each(layouts)(
    'stays within half a step, but for the end of the range ($bits bits, $columns columns)',
    (layout) => {
      fc.assert(
        fc.property(fc.nat(), fc.constantFrom(1e-20, 1, 1e20), (seed, magnitude) => {
          const rows = randomFloats(3 * layout.columns, seed).map((x) => x * magnitude);
          const made = quantize(rows, layout);
          expect(made.spoiled).toBeUndefined();
          const back = dequantize(made, layout);
          rows.forEach((x, index) => {
            const block =
              Math.floor(index / layout.columns) * blocksOf(layout) +
              Math.floor((index % layout.columns) / layout.block);
            const step = Math.abs(made.scales[block] as number);
            // The code that would stand for -extreme does not exist: there the error may reach a whole step.
            expect(Math.abs((back[index] as number) - x)).toBeLessThanOrEqual(step * 1.000001);
            const clipped = Math.abs(x) > step * ((1 << (layout.bits - 1)) - 1);
            if (!clipped) expect(Math.abs((back[index] as number) - x)).toBeLessThanOrEqual(step * 0.500001);
          });
        }),
        { numRuns: 50 },
      );
    },
  );

  it('meets the element of largest magnitude exactly', () => {
    const layout: QuantizedLayout = { columns: 32, block: 32, bits: 4 };
    for (const extreme of [-3.75, 3.75]) {
      const rows = randomFloats(32, 5);
      rows[9] = extreme;
      expect(dequantize(quantize(rows, layout), layout)[9]).toBe(extreme);
    }
  });

  it('keeps zeros, also those that pad the last block', () => {
    const layout: QuantizedLayout = { columns: 33, block: 32, bits: 4 };
    const made = quantize(new Float32Array(33), layout);
    expect([...made.codes]).toEqual(new Array(32).fill(0x88));
    expect([...made.scales].map(Math.abs)).toEqual([0, 0]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('names the block that holds %s', (bad) => {
    const rows = randomFloats(3 * 64, 1);
    rows[2 * 64 + 40] = bad;
    expect(quantize(rows, { columns: 64, block: 32, bits: 8 }).spoiled).toBe(5);
  });
});

describe('roundInBlocks', () => {
  it.each(layouts)('leaves what the codes stand for ($bits bits, $columns columns)', (layout) => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(1e-20, 1, 1e20), (seed, magnitude) => {
        const rows = randomFloats(3 * layout.columns, seed).map((x) => x * magnitude);
        rows.fill(0, layout.columns, 2 * layout.columns);
        const expected = dequantize(quantize(rows, layout), layout);
        roundInBlocks(rows, layout);
        // Of a row of zeros the codes stand for -0, and 0 is what they are: equal as numbers.
        expect(rows.map((x) => x + 0)).toEqual(expected.map((x) => x + 0));
      }),
      { numRuns: 50 },
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'leaves nothing finite in a block that holds %s',
    (bad) => {
      const rows = randomFloats(3 * 64, 1);
      rows[2 * 64 + 40] = bad;
      roundInBlocks(rows, { columns: 64, block: 32, bits: 4 });
      const spoiled = Array.from(rows, (x, at) => (Number.isFinite(x) ? -1 : at)).filter((at) => at >= 0);
      expect(spoiled).toEqual(Array.from({ length: 32 }, (_, at) => 2 * 64 + 32 + at));
    },
  );
});

describe('quantizeColumns', () => {
  const [rowCount, columns] = [5, 12];
  const width = 9;
  const firstColumn = 3;
  const into = (unsigned: boolean) => ({
    codes: unsigned ? new Uint8Array(columns * width).fill(77) : new Int8Array(columns * width).fill(77),
    zero: unsigned ? 128 : 0,
    firstColumn,
    scales: new Float32Array(rowCount),
  });

  it.each([false, true])('turns rows into columns of codes with one scale each (unsigned: %s)', (unsigned) => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.constantFrom(1e-20, 1, 1e20),
        fc.nat({ max: rowCount - 1 }),
        (seed, magnitude, empty) => {
          const rows = randomFloats(rowCount * columns, seed).map((x) => x * magnitude);
          rows.fill(0, empty * columns, (empty + 1) * columns);
          const made = into(unsigned);
          expect(quantizeColumns(rows, columns, made)).toBeUndefined();
          for (let row = 0; row < rowCount; row += 1) {
            const own = rows.subarray(row * columns, (row + 1) * columns);
            const scale = made.scales[row] as number;
            expect(scale).toBe(Math.fround(Math.max(...own.map(Math.abs)) / 127));
            for (let column = 0; column < columns; column += 1) {
              const code = (made.codes[column * width + firstColumn + row] as number) - made.zero;
              const exact = own[column] as number;
              expect(Math.abs(code)).toBeLessThanOrEqual(127);
              expect(Math.abs(code * scale - exact)).toBeLessThanOrEqual(scale * 0.500001);
              if (row === empty) expect(code).toBe(0);
            }
          }
          // Columns of other tensors stay as they are.
          const others = [...made.codes].filter(
            (_, at) => at % width < firstColumn || at % width >= firstColumn + rowCount,
          );
          expect(others).toEqual(new Array(columns * (width - rowCount)).fill(77));
        },
      ),
      { numRuns: 50 },
    );
  });

  it('meets exactly what 4 bits stand for in the blocks with the largest scale', () => {
    const rows = randomFloats(rowCount * 64, 4);
    roundInBlocks(rows, { columns: 64, block: 64, bits: 4 });
    const made = { codes: new Int8Array(64 * rowCount), zero: 0, firstColumn: 0, scales: new Float32Array(rowCount) };
    expect(quantizeColumns(rows, 64, { ...made, mostCode: MOST_CODE_OF_4_BITS })).toBeUndefined();
    for (const [at, x] of rows.entries()) {
      const [row, column] = [Math.floor(at / 64), at % 64];
      const code = made.codes[column * rowCount + row] as number;
      expect(code % 15).toBeCloseTo(0, 12);
      expect(Math.abs(code * (made.scales[row] as number) - x)).toBeLessThanOrEqual(Math.abs(x) * 1e-6);
    }
  });

  it('negates codes with the row', () => {
    const rows = randomFloats(rowCount * columns, 8);
    const [made, negated] = [into(false), into(false)];
    quantizeColumns(rows, columns, made);
    quantizeColumns(
      rows.map((x) => -x),
      columns,
      negated,
    );
    const own = (codes: ArrayLike<number>) => Array.from(codes).filter((code) => code !== 77);
    expect(own(negated.codes)).toEqual(own(made.codes).map((code) => 0 - code));
    expect(negated.scales).toEqual(made.scales);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('names the row that holds %s', (bad) => {
    const rows = randomFloats(rowCount * columns, 1);
    rows[3 * columns + 7] = bad;
    expect(quantizeColumns(rows, columns, into(false))).toBe(3);
  });
});

describe('MatMulNBits on quantised rows', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'octavo-quantize-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it.each(layouts)(
    'agrees with a product of what the codes stand for ($bits bits, $columns columns)',
    async (layout) => {
      const [out, rowCount] = [11, 5];
      const weights = quantize(randomFloats(out * layout.columns, 3), layout);
      const x = randomFloats(rowCount * layout.columns, 4);
      const y = await product({ folder, layout, weights, x, out });
      const dense = dequantize(weights, layout);
      const expected = Float64Array.from({ length: rowCount * out }, (_, index) => {
        let sum = 0;
        for (let column = 0; column < layout.columns; column += 1) {
          sum +=
            (x[Math.floor(index / out) * layout.columns + column] as number) *
            (dense[(index % out) * layout.columns + column] as number);
        }
        return sum;
      });
      // Activations are rounded to 8 bits of their block: some thousandths of the largest sum.
      expect(deviation(y, expected)).toBeLessThan(0.01);
    },
  );
});

interface ProductCase {
  readonly folder: string;
  readonly layout: QuantizedLayout;
  readonly weights: QuantizedRows;
  readonly x: Float32Array;
  readonly out: number;
}

async function product({ folder, layout, weights, x, out }: ProductCase): Promise<Float32Array> {
  const { columns, block, bits } = layout;
  writeFileSync(join(folder, 'weights.bin'), Buffer.concat([weights.codes, new Uint8Array(weights.scales.buffer)]));
  const graph = GraphBuilder.create();
  const source = { kind: 'stored', tensor: '' } as const;
  const codes = graph.weight(
    { name: 'codes', type: 'uint8', shape: [out, blocksOf(layout), (block * bits) / 8] },
    source,
  );
  const scales = graph.weight({ name: 'scales', type: 'float32', shape: [out * blocksOf(layout)] }, source);
  const input = graph.input('x', 'float32', ['M', columns]);
  const attributes = {
    K: { int: columns },
    N: { int: out },
    bits: { int: bits },
    block_size: { int: block },
    accuracy_level: { int: 4 },
  };
  const call = {
    operator: 'MatMulNBits',
    domain: 'com.microsoft',
    inputs: [input, codes, scales],
    attributes,
  } as const;
  graph.output(graph.call(call, 'float32', ['M', out], 'y'));
  const extents = new Map([
    ['codes', { file: 'weights.bin', offset: 0, bytes: weights.codes.length }],
    ['scales', { file: 'weights.bin', offset: weights.codes.length, bytes: weights.scales.byteLength }],
  ]);
  writeFileSync(join(folder, 'product.onnx'), emitOnnx(graph.finish(), extents));
  const session = await ort.InferenceSession.create(join(folder, 'product.onnx'), { intraOpNumThreads: 1 });
  const feeds = { x: new ort.Tensor('float32', x, [x.length / columns, columns]) };
  const outputs = await session.run(feeds);
  await session.release();
  return (outputs.y as OrtTensor).data as Float32Array;
}
