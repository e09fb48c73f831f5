/** Attention in the styles of exporters; each returns [batch, rows, heads x headDim]. Used by tests. */
import { type LayerRows, type ModelWriter, small } from './export-styles.testing.ts';
import { tensor } from './onnx-writer.testing.ts';

export type AttentionStyle = (m: ModelWriter, rows: LayerRows) => string;

const MASKED = -3.4028234663852886e38;

/** torch.repeat_interleave by Unsqueeze, Expand and Reshape, with the extents read off the value. */
export function repeatHeads(m: ModelWriter, x: string): string {
  const { w } = m;
  const groups = small.heads / m.kvHeads;
  if (groups === 1) return x;
  const wide = w.node('Unsqueeze', [x, w.ints([2])]);
  const dims = [0, 1, 2, 3].map((axis) => m.vector(m.extent(x, axis)));
  const [batch, heads, tokens, width] = dims as [string, string, string, string];
  const target = w.node('Concat', [batch, heads, w.ints([groups]), tokens, width], { axis: 0 });
  const ones = w.node('ConstantOfShape', [w.node('Shape', [target])], {
    value: { tensor: tensor('', 'int64', [1], Float64Array.of(1)) },
  });
  const minusOne = w.node('Mul', [ones, w.ints(-1)]);
  const chosen = w.node('Where', [w.node('Equal', [target, minusOne]), ones, target]);
  const expanded = w.node('Expand', [wide, chosen]);
  const flat = w.node('Concat', [batch, w.ints([small.heads]), tokens, width], { axis: 0 });
  return w.node('Reshape', [expanded, flat]);
}

/** bool [rows, tokens] of positions that a row may see, from ranges. */
function causal(m: ModelWriter): string {
  const { w } = m;
  return m.once('causal', () => {
    const columns = w.node('Unsqueeze', [w.node('Range', [w.ints(0), m.tokens, w.ints(1)]), w.ints([0])]);
    const own = w.node('Unsqueeze', [w.node('Range', [m.past, m.tokens, w.ints(1)]), w.ints([1])]);
    return w.node('LessOrEqual', [columns, own]);
  });
}

/** Additive [batch, 1, rows, tokens], as transformers makes it: a causal part and the padding, combined by Where. */
export function additiveMask(m: ModelWriter): string {
  const { w } = m;
  return m.once('additive', () => {
    const square = w.node('Unsqueeze', [w.node('Unsqueeze', [causal(m), w.ints([0])]), w.ints([0])]);
    const open = w.node('Where', [square, w.float(0), w.float(m.options.isHalf ? -65504 : MASKED)]);
    const padding = w.node('Unsqueeze', [w.node('Unsqueeze', [m.mask, w.ints([1])]), w.ints([1])]);
    const isPadded = w.node('Equal', [padding, w.ints(0)]);
    return w.node('Where', [isPadded, w.float(m.options.isHalf ? -65504 : MASKED), open]);
  });
}

/** A square of minus infinity cut with Trilu and written with ScatterND, as newer versions do. */
function scatteredMask(m: ModelWriter): string {
  const { w } = m;
  return m.once('scattered', () => {
    const extents = w.node('Concat', [m.vector(m.rows), m.vector(m.tokens)], { axis: 0 });
    const full = w.node('Expand', [w.float(MASKED), extents]);
    const upper = w.node('Trilu', [full, m.once('diagonal', () => w.node('Add', [m.past, w.ints(1)]))], { upper: 1 });
    const batched = w.node('Unsqueeze', [w.node('Unsqueeze', [upper, w.ints([0])]), w.ints([0])]);
    const padding = w.node('Unsqueeze', [
      w.node('Unsqueeze', [w.node('Cast', [m.mask], { to: 1 }), w.ints([1])]),
      w.ints([1]),
    ]);
    const sum = w.node('Add', [batched, padding]);
    const masked = w.node('Where', [w.node('Equal', [sum, w.float(0)]), w.float(MASKED), batched]);
    // All of it is written over itself, row by row.
    const places = w.node('Unsqueeze', [w.node('Range', [w.ints(0), m.extent(batched, 0), w.ints(1)]), w.ints([-1])]);
    return w.node('ScatterND', [batched, places, masked]);
  });
}

/** Scores with a scale and a mask, softmax, values: the plain way of transformers. */
export const eager: AttentionStyle = (m, rows) => {
  const { w } = m;
  const made = m.heads(rows);
  m.append(rows, made);
  const keys = w.node('Transpose', [repeatHeads(m, rows.presentKey)], { perm: [0, 1, 3, 2] });
  const scores = w.node('Div', [w.node('MatMul', [made.q, keys]), w.float(Math.sqrt(small.headDim))]);
  const probabilities = w.node('Softmax', [w.node('Add', [scores, additiveMask(m)])], { axis: -1 });
  return m.mergeHeads(w.node('MatMul', [probabilities, repeatHeads(m, rows.presentValue)]));
};

/** torch.nn.functional.scaled_dot_product_attention as the exporter of torch writes it: the root of the scale on both sides, from the shape. */
export const scaledDotProduct: AttentionStyle = (m, rows) => {
  const { w } = m;
  const made = m.heads(rows);
  m.append(rows, made);
  const width = w.node(
    'Cast',
    [w.node('Slice', [w.node('Shape', [made.q]), w.ints([-1]), w.ints([Number.MAX_SAFE_INTEGER])])],
    { to: 1 },
  );
  const scale = w.node('Div', [w.node('Constant', [], { value_float: { float: 1 } }), w.node('Sqrt', [width])]);
  const root = w.node('Cast', [w.node('Sqrt', [scale])], { to: 1 });
  const keys = w.node('Transpose', [repeatHeads(m, rows.presentKey)], { perm: [0, 1, 3, 2] });
  const scores = w.node('MatMul', [w.node('Mul', [made.q, root]), w.node('Mul', [keys, root])]);
  const probabilities = w.node('Softmax', [w.node('Add', [scores, scatteredMask(m)])], { axis: -1 });
  const guarded = w.node('Where', [w.node('IsNaN', [probabilities]), w.float(0), probabilities]);
  return m.mergeHeads(w.node('MatMul', [guarded, repeatHeads(m, rows.presentValue)]));
};

/** Scores through a cap, and a window in every other layer (Gemma 2). */
export const cappedWindows: AttentionStyle = (m, rows) => {
  const { w } = m;
  const made = m.heads(rows);
  m.append(rows, made);
  const keys = w.node('Transpose', [repeatHeads(m, rows.presentKey)], { perm: [0, 1, 3, 2] });
  const scores = w.node('Mul', [w.node('MatMul', [made.q, keys]), w.float(0.2)]);
  const capped = w.node('Mul', [w.node('Tanh', [w.node('Div', [scores, w.float(2)])]), w.float(2)]);
  const mask = rows.layer % 2 === 0 ? windowMask(m, 6) : additiveMask(m);
  const probabilities = w.node('Softmax', [w.node('Add', [capped, mask])], { axis: -1 });
  return m.mergeHeads(w.node('MatMul', [probabilities, repeatHeads(m, rows.presentValue)]));
};

function windowMask(m: ModelWriter, window: number): string {
  const { w } = m;
  return m.once('window', () => {
    const columns = w.node('Unsqueeze', [w.node('Range', [w.ints(0), m.tokens, w.ints(1)]), w.ints([0])]);
    const own = w.node('Unsqueeze', [w.node('Range', [m.past, m.tokens, w.ints(1)]), w.ints([1])]);
    const isInside = w.node('Greater', [columns, w.node('Sub', [own, w.ints(window)])]);
    return w.node('Where', [isInside, additiveMask(m), w.float(MASKED)]);
  });
}

/** Buffers of a maximal length cut to size, no scaling, a window in the second layer (GPT-Neo). */
export const buffered: AttentionStyle = (m, rows) => {
  const { w } = m;
  const made = m.heads(rows);
  m.append(rows, made);
  const scores = w.node('MatMul', [made.q, w.node('Transpose', [rows.presentKey], { perm: [0, 1, 3, 2] })]);
  const isLocal = rows.layer === 1;
  const { context } = small;
  const buffer = w.weight(
    `layers.${rows.layer}.bias`,
    [1, 1, context, context],
    Array.from({ length: context ** 2 }, (_, at) => {
      const behind = Math.floor(at / context) - (at % context);
      return behind >= 0 && (!isLocal || behind < 7) ? 1 : 0;
    }),
    'bool',
  );
  const ofRows = w.node('Slice', [buffer, m.vector(m.past), m.vector(m.tokens), w.ints([2]), w.ints([1])]);
  const ofTokens = w.node('Slice', [ofRows, w.ints([0]), m.vector(m.tokens), w.ints([3]), w.ints([1])]);
  const masked = w.node('Where', [ofTokens, scores, w.float(MASKED)]);
  const padding = w.node('Unsqueeze', [
    w.node('Unsqueeze', [w.node('Cast', [m.mask], { to: 1 }), w.ints([1])]),
    w.ints([1]),
  ]);
  const added = w.node('Mul', [w.node('Sub', [w.float(1), padding]), w.float(MASKED)]);
  const probabilities = w.node('Softmax', [w.node('Add', [masked, added])], { axis: 3 });
  return m.mergeHeads(w.node('MatMul', [probabilities, rows.presentValue]));
};

/** Queries, keys and values of a head side by side, half of each head rotated (GPT-NeoX). */
export const fusedHeads: AttentionStyle = (m, rows) => {
  const { w } = m;
  const { heads, headDim, hidden } = small;
  const fused = m.project(rows.x, { name: `layers.${rows.layer}.qkv`, into: hidden, out: 3 * heads * headDim });
  const shape = w.node(
    'Concat',
    [m.vector(m.extent(fused, 0)), m.vector(m.extent(fused, 1)), w.ints([heads]), w.ints([3 * headDim])],
    { axis: 0 },
  );
  const split = w.node('Reshape', [fused, shape]);
  const part = (index: number) => {
    const cut = w.node('Slice', [
      split,
      w.ints([index * headDim]),
      w.ints([(index + 1) * headDim]),
      w.ints([3]),
      w.ints([1]),
    ]);
    return w.node('Transpose', [cut], { perm: [0, 2, 1, 3] });
  };
  const rotated = (x: string) => {
    const half = w.node('Slice', [x, w.ints([0]), w.ints([headDim / 2]), w.ints([3]), w.ints([1])]);
    const rest = w.node('Slice', [
      x,
      w.ints([headDim / 2]),
      w.ints([Number.MAX_SAFE_INTEGER]),
      w.ints([3]),
      w.ints([1]),
    ]);
    const table = (operator: 'Cos' | 'Sin') =>
      m.once(`half-${operator}`, () => {
        const all = w.weight(`${operator}_cached`, [small.context, headDim / 2], tableOf(operator));
        // The table is cut to the tokens so far before rows choose from it, as older versions do.
        const cut = w.node('Slice', [all, w.ints([0]), m.vector(m.tokens), w.ints([0]), w.ints([1])]);
        return w.node('Unsqueeze', [w.node('Gather', [cut, m.positions], { axis: 0 }), w.ints([1])]);
      });
    const [first, second] = [0, 1].map((index) =>
      w.node('Slice', [
        half,
        w.ints([(index * headDim) / 4]),
        w.ints([((index + 1) * headDim) / 4]),
        w.ints([3]),
        w.ints([1]),
      ]),
    ) as [string, string];
    const turned = w.node('Concat', [w.node('Neg', [second]), first], { axis: -1 });
    const spun = w.node('Add', [w.node('Mul', [half, table('Cos')]), w.node('Mul', [turned, table('Sin')])]);
    return w.node('Concat', [spun, rest], { axis: -1 });
  };
  m.append(rows, { k: rotated(part(1)), v: part(2) });
  const keys = w.node('Transpose', [rows.presentKey], { perm: [0, 1, 3, 2] });
  const scores = w.node('Mul', [w.node('MatMul', [rotated(part(0)), keys]), w.float(headDim ** -0.5)]);
  const seen = w.node('Unsqueeze', [w.node('Unsqueeze', [causal(m), w.ints([0])]), w.ints([0])]);
  const probabilities = w.node('Softmax', [w.node('Where', [seen, scores, w.float(MASKED)])], { axis: -1 });
  return m.mergeHeads(w.node('MatMul', [probabilities, rows.presentValue]));
};

function tableOf(operator: 'Cos' | 'Sin'): number[] {
  const width = small.headDim / 2;
  return Array.from({ length: small.context * width }, (_, at) => {
    const angle = Math.floor(at / width) * 100 ** (-(at % (width / 2)) / (width / 2));
    return operator === 'Cos' ? Math.cos(angle) : Math.sin(angle);
  });
}

/** A penalty that grows with distance: attention that pages cannot do. */
export const distancePenalty: AttentionStyle = (m, rows) => {
  const { w } = m;
  const made = m.heads(rows);
  m.append(rows, made);
  const keys = w.node('Transpose', [repeatHeads(m, rows.presentKey)], { perm: [0, 1, 3, 2] });
  const columns = w.node('Cast', [w.node('Range', [w.ints(0), m.tokens, w.ints(1)])], { to: 1 });
  const scores = w.node('Add', [w.node('MatMul', [made.q, keys]), w.node('Mul', [columns, w.float(0.1)])]);
  const probabilities = w.node('Softmax', [w.node('Add', [scores, additiveMask(m)])], { axis: -1 });
  return m.mergeHeads(w.node('MatMul', [probabilities, repeatHeads(m, rows.presentValue)]));
};

/** Every row sees every position. */
export const unmasked: AttentionStyle = (m, rows) => {
  const { w } = m;
  const made = m.heads(rows);
  m.append(rows, made);
  const keys = w.node('Transpose', [repeatHeads(m, rows.presentKey)], { perm: [0, 1, 3, 2] });
  const probabilities = w.node('Softmax', [w.node('MatMul', [made.q, keys])], { axis: -1 });
  return m.mergeHeads(w.node('MatMul', [probabilities, repeatHeads(m, rows.presentValue)]));
};
