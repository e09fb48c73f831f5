import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviation } from '../compare.testing.ts';
import { compileModel } from '../compile-model.ts';
import type { CompiledModel } from '../compiled-model.ts';
import { GraphSession } from '../ort.testing.ts';
import { PagedDriver, type WorkResult } from '../paged-driver.testing.ts';
import * as attentionNode from './attention-node-styles.testing.ts';
import * as attention from './attention-styles.testing.ts';
import {
  embedBlocks,
  layerNorm,
  type ModelWriter,
  type StyleOptions,
  small,
  writeStyle,
} from './export-styles.testing.ts';
import { merged } from './merged-export.testing.ts';
import { logitsOfExport } from './run-export.testing.ts';

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'octavo-styles-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

const ids = Array.from({ length: 23 }, (_, index) => (index * 7 + 3) % small.vocabulary);

const config = {
  model_type: 'test',
  max_position_embeddings: small.context,
  num_styleheads: small.heads,
  eos_token_id: 2,
};

function write(
  name: string,
  options: StyleOptions,
  json: Record<string, unknown> = { 'config.json': config },
): { folder: string; onnxFile: string } {
  const folder = join(scratch, name.replaceAll(/\W+/g, '-'));
  const onnxFile = join(folder, 'onnx/model.onnx');
  mkdirSync(dirname(onnxFile), { recursive: true });
  for (const [file, fields] of Object.entries(json)) writeFileSync(join(folder, file), JSON.stringify(fields));
  const { bytes, data } = writeStyle(options);
  writeFileSync(onnxFile, bytes);
  if (data !== undefined) writeFileSync(join(dirname(onnxFile), data.location), data.bytes);
  return { folder, onnxFile };
}

function compile(source: { folder: string; onnxFile: string }): Promise<CompiledModel> {
  return compileModel(source, { levels: 3, cacheFolder: join(scratch, 'cache') });
}

/** Logits after each prefix, fed in chunks of 6 over pages of 4 tokens, with the first two pages on a level of their own. */
async function pagedLogits(model: CompiledModel): Promise<Float32Array[]> {
  const session = await GraphSession.open(model, { intraOpNumThreads: 1 });
  const driver = new PagedDriver(session, { pages: 40, pageSize: 4 });
  const sequence = driver.sequence({ cut: [2] });
  const rows: Float32Array[] = [];
  for (let first = 0; first < ids.length; first += 6) {
    const [result] = await driver.step([{ sequence, tokens: ids.slice(first, first + 6) }]);
    rows.push((result as WorkResult).lastLogits);
  }
  await session.close();
  return rows;
}

/** Conv1D of GPT-2: rows without a batch, a Gemm, and back. */
function conv1d(m: ModelWriter, x: string, of: { name: string; into: number; out: number }): string {
  const { w } = m;
  const flat = w.node('Reshape', [x, w.ints([-1, of.into])]);
  const bias = w.weight(`${of.name}.bias`, [of.out]);
  const product = w.node('Gemm', [flat, w.weight(`${of.name}.weight`, [of.into, of.out]), bias], {
    alpha: { float: 1 },
  });
  const shape = w.node('Concat', [m.vector(m.extent(x, 0)), m.vector(m.extent(x, 1)), w.ints([of.out])], { axis: 0 });
  return w.node('Reshape', [product, shape]);
}

const all = { kvHeads: small.heads };
const recognised: Record<string, StyleOptions> = {
  'plain operators': { attention: attention.eager },
  'plain operators with positions from the mask': { attention: attention.eager, hasPositions: false },
  'scaled dot products with roots of the scale': { attention: attention.scaledDotProduct },
  'caps and windows': { attention: attention.cappedWindows },
  'buffers and learned positions': {
    attention: attention.buffered,
    ...all,
    learnedPositions: true,
    norm: layerNorm,
    opset: 17,
  },
  'fused heads, half rotated by tables that are cut': {
    attention: attention.fusedHeads,
    ...all,
    norm: layerNorm,
    opset: 17,
  },
  'Gemm and attributes of opset 13': { attention: attention.eager, project: conv1d, opset: 13, learnedPositions: true },
  float16: { attention: attention.eager, isHalf: true },
  'external data': { attention: attention.eager, external: 'model.onnx_data' },
  GroupQueryAttention: { attention: attentionNode.grouped() },
  'packed GroupQueryAttention without positions': {
    attention: attentionNode.grouped({ isPacked: true }),
    hasPositions: false,
  },
  'GroupQueryAttention with a window and a cap': {
    attention: attentionNode.grouped({ window: 5, softCap: 1.5, scale: 0.3 }),
  },
  'GroupQueryAttention, a part rotated, interleaved': {
    attention: attentionNode.grouped({ rotated: 16, isInterleaved: true }),
  },
  'float16 GroupQueryAttention': { attention: attentionNode.grouped(), isHalf: true },
  'MultiHeadAttention over all keys': { attention: attentionNode.wholeMultiHead },
  'MultiHeadAttention with a mask of new rows alone': { attention: attentionNode.squareMultiHead },
  'Attention of opset 23': { attention: attentionNode.standard, opset: 23, norm: layerNorm, learnedPositions: true },
  'an embedding of 4-bit blocks': { attention: attentionNode.grouped(), embed: embedBlocks },
  'MultiHeadAttention with a bias and a mask': { attention: attentionNode.multiHead, ...all, learnedPositions: true },
};

describe('an export in the style of', () => {
  it.each(Object.keys(recognised))('%s computes the same over pages', async (name) => {
    const options = recognised[name] as StyleOptions;
    const source = write(name, options);
    const model = await compile(source);
    expect(model.notices).toBeUndefined();
    const expected = await logitsOfExport(source.onnxFile, ids, options);
    const made = await pagedLogits(model);
    expect(made).toHaveLength(4);
    const tolerance = options.isHalf ? 5e-3 : 2e-5;
    made.forEach((logits, chunk) => {
      const last = Math.min(ids.length, (chunk + 1) * 6) - 1;
      expect(deviation(logits, expected[last] as Float32Array)).toBeLessThan(tolerance);
    });
  });
});

describe('an export with logits of the last row alone', () => {
  const ways: Record<string, NonNullable<StyleOptions['tail']>> = {
    'a Slice': ({ w }, x) => w.node('Slice', [x, w.ints([-1]), w.ints([2 ** 40]), w.ints([1])]),
    'a Gather and an Unsqueeze': ({ w }, x) =>
      w.node('Unsqueeze', [w.node('Gather', [x, w.ints(-1)], { axis: 1 }), w.ints([1])]),
    'a Gather of where the rows end': (m, x) => {
      const last = m.w.node('Sub', [m.vector(m.extent(x, 1)), m.w.ints([1])]);
      return m.w.node('Gather', [x, last], { axis: 1 });
    },
  };
  it.each(Object.keys(ways))('cut by %s runs over pages with logits of every row', async (way) => {
    const options: StyleOptions = { attention: attention.eager };
    const whole = write(`whole-${way}`, options);
    const expected = await logitsOfExport(whole.onnxFile, ids, options);
    const tail = ways[way] as NonNullable<StyleOptions['tail']>;
    const model = await compile(write(`last-${way}`, { ...options, tail }));
    expect(model.notices).toBeUndefined();
    const made = await pagedLogits(model);
    expect(made).toHaveLength(4);
    made.forEach((logits, chunk) => {
      const last = Math.min(ids.length, (chunk + 1) * 6) - 1;
      expect(deviation(logits, expected[last] as Float32Array)).toBeLessThan(2e-5);
    });
  });

  it.each<[string, NonNullable<StyleOptions['tail']>, RegExp]>([
    ['the first row', ({ w }, x) => w.node('Slice', [x, w.ints([0]), w.ints([1]), w.ints([1])]), /of shape \[1,1,40\]/],
    ['all rows less the last', (m, x) => m.w.node('Sub', [x, ways['a Slice']?.(m, x) as string]), /node \/Slice_\d+/],
  ])('is not what one with %s is taken for', async (name, tail, said) => {
    const model = await compile(write(name, { attention: attention.eager, tail }));
    expect(model.notices?.[0]).toMatch(said);
  });
});

describe('a merged export', () => {
  const options: StyleOptions = { attention: attention.eager, external: 'model.onnx_data' };
  it.each([false, true])('runs over pages as its branch with a past (outputs renamed: %s)', async (renamed) => {
    const source = write(`merged-${renamed}`, options);
    const expected = await logitsOfExport(source.onnxFile, ids, options);
    writeFileSync(source.onnxFile, merged(readFileSync(source.onnxFile), { renamed }));
    const model = await compile(source);
    expect(model.notices).toBeUndefined();
    const made = await pagedLogits(model);
    expect(made).toHaveLength(4);
    expect(deviation(made.at(-1) as Float32Array, expected.at(-1) as Float32Array)).toBeLessThan(2e-5);
  });
});

/** A product with 8 bits for weights and, dynamically, for activations: as onnxruntime's quantize_dynamic writes it. */
function dynamicallyQuantized(isSigned: boolean, isPerColumn: boolean): NonNullable<StyleOptions['project']> {
  return (m, x, of) => {
    const { w } = m;
    const { codes, scales, zeroPoint } = quantized(of, { isSigned, isPerColumn });
    const type = isSigned ? 'int8' : 'uint8';
    const name = `${of.name}.weight`;
    const quantizedX = [`${name}/xq`, `${name}/xs`, `${name}/xz`];
    w.node('DynamicQuantizeLinear', [x], {}, quantizedX);
    const matrix = w.weight(`${name}_quantized`, [of.into, of.out], codes, type);
    const point = w.weight(`${name}_zero_point`, [], [zeroPoint], type);
    const product = w.node('MatMulInteger', [`${name}/xq`, matrix, `${name}/xz`, point]);
    const scale = w.weight(`${name}_scale`, isPerColumn ? [of.out] : [], scales);
    return w.node('Mul', [w.node('Cast', [product], { to: 1 }), w.node('Mul', [`${name}/xs`, scale])]);
  };
}

function quantized(of: { name: string; into: number; out: number }, kind: { isSigned: boolean; isPerColumn: boolean }) {
  const zeroPoint = kind.isSigned ? 0 : 121;
  const codes = Array.from({ length: of.into * of.out }, (_, at) => {
    const code = Math.round(Math.sin(at * 7.31 + of.name.length * 1.7 + of.name.charCodeAt(of.name.length - 1)) * 100);
    return code + zeroPoint;
  });
  const scales = Array.from(
    { length: kind.isPerColumn ? of.out : 1 },
    (_, column) => (0.012 + 0.001 * (column % 5)) / Math.sqrt(of.into),
  );
  return { codes, scales, zeroPoint };
}

/** The same with weights in float32. */
function dequantized(isSigned: boolean, isPerColumn: boolean): NonNullable<StyleOptions['project']> {
  return (m, x, of) => {
    const { codes, scales, zeroPoint } = quantized(of, { isSigned, isPerColumn });
    const floats = codes.map((code, at) => (code - zeroPoint) * (scales[isPerColumn ? at % of.out : 0] as number));
    return m.w.node('MatMul', [x, m.w.weight(`${of.name}.weight`, [of.into, of.out], floats)]);
  };
}

describe('an export whose activations are quantised over the batch', () => {
  const kinds = [
    { isSigned: true, isPerColumn: true },
    { isSigned: false, isPerColumn: false },
  ];
  it.each(kinds)(
    'keeps its 8-bit weights and quantises no batch (signed: $isSigned, a scale a column: $isPerColumn)',
    async (kind) => {
      const { isSigned, isPerColumn } = kind;
      const style = attention.eager;
      const source = write(`quantized-${isSigned}`, {
        attention: style,
        project: dynamicallyQuantized(isSigned, isPerColumn),
      });
      const model = await compile(source);
      expect(model.notices).toBeUndefined();
      expect(model.weights).toBe('q8');
      const exact = write(`dequantized-${isSigned}`, { attention: style, project: dequantized(isSigned, isPerColumn) });
      const expected = await logitsOfExport(exact.onnxFile, ids, { attention: style });
      const asItWas = await logitsOfExport(source.onnxFile, ids, { attention: style });
      const made = await pagedLogits(model);
      const last = expected.at(-1) as Float32Array;
      const own = deviation(made.at(-1) as Float32Array, last);
      expect(own).toBeLessThan(0.02);
      // Not farther from the exact product than the batch's own quantisation was.
      expect(own).toBeLessThan(2 * deviation(asItWas.at(-1) as Float32Array, last));
    },
  );
});
