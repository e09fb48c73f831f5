/**
 * Which axis of an operator's output holds the rows of the step, such that a row of the output follows from the same row of the inputs
 * and from nothing else of the step. An operator that is not here, or mixes rows, has no such axis.
 */
import type { SourceDim } from './probes.ts';
import { intOf, intsOf, type SourceNode } from './source-graph.ts';

/** What is known of an operand. */
export interface RowOperand {
  readonly dims: readonly SourceDim[];
  /** undefined: the same for all rows. */
  readonly row: number | undefined;
}

export interface RowContext {
  readonly node: SourceNode;
  readonly opset: number;
  /** undefined: left out. */
  readonly inputs: readonly (RowOperand | undefined)[];
  readonly outputs: readonly (readonly SourceDim[] | undefined)[];
  /** Constant elements of an input, or of an attribute of this name. */
  ints(attribute: string, input: number): readonly number[] | undefined;
}

/** The axis of each output; a text says what was expected instead. */
export type RowResult = readonly (number | undefined)[] | string;

type Rule = (context: RowContext) => RowResult;

const MIXES = 'an operator that leaves the rows of the batch apart';

function fromFront(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Rows of broadcast operands lie the same number of axes from the end. */
const aligned: Rule = ({ inputs, outputs: [out] }) => {
  if (out === undefined) return MIXES;
  let fromEnd: number | undefined;
  for (const input of inputs) {
    if (input?.row === undefined) continue;
    const own = input.dims.length - input.row;
    if (fromEnd !== undefined && own !== fromEnd) return 'operands whose rows lie on the same axis';
    fromEnd = own;
  }
  if (fromEnd === undefined) return [undefined];
  const axis = out.length - fromEnd;
  return out[axis] === 'M' ? [axis] : MIXES;
};

/** The first input keeps its shape (or all axes but the last); others are the same for all rows. */
const ofFirst: Rule = ({ inputs: [x, ...rest], outputs }) =>
  rest.some((input) => input?.row !== undefined)
    ? 'operands that are the same for all rows'
    : outputs.map(() => x?.row);

/** Works along `axes` of the input, which must not be that of the rows. Other inputs of rows follow the same rows. */
function along(axesOf: (context: RowContext, rank: number) => readonly number[] | undefined): Rule {
  return (context) => {
    const [x, ...rest] = context.inputs;
    const isJoint = rest.some((input) => input?.row !== undefined);
    // Chosen by the place of a row in the step, not by the row.
    if (x?.row === undefined) return isJoint ? MIXES : context.outputs.map(() => undefined);
    const axes = axesOf(context, x.dims.length)?.map((axis) => fromFront(axis, x.dims.length));
    if (axes === undefined || axes.includes(x.row)) return MIXES;
    return isJoint ? aligned(context) : context.outputs.map(() => x.row);
  };
}

const ofAxis = (fallback: number): Rule => along(({ node }) => [intOf(node, 'axis', fallback)]);
/** From `axis` to the last. */
const norm: Rule = along(({ node }, rank) => {
  const first = fromFront(intOf(node, 'axis', -1), rank);
  return Array.from({ length: rank - first }, (_, index) => first + index);
});
/** Skip and input are of the same rows. */
const skipNorm: Rule = ({ inputs: [x, skip, ...rest], outputs }) => {
  if (rest.some((input) => input?.row !== undefined) || x?.row !== skip?.row) return MIXES;
  return x !== undefined && x.row === x.dims.length - 1 ? MIXES : outputs.map(() => x?.row);
};

const softmax: Rule = (context) => {
  const { node, opset, inputs } = context;
  const axis = intOf(node, 'axis', opset < 13 ? 1 : -1);
  const rank = inputs[0]?.dims.length ?? 0;
  if (opset < 13 && fromFront(axis, rank) !== rank - 1) return 'a Softmax over the last axis';
  return along(() => [axis])(context);
};

const reduce: Rule = (context) => {
  const [x] = context.inputs;
  if (x?.row === undefined) return [undefined];
  const axes = context.ints('axes', 1)?.map((axis) => fromFront(axis, x.dims.length));
  if (axes === undefined || axes.length === 0 || axes.includes(x.row)) return MIXES;
  if (intOf(context.node, 'keepdims', 1) === 1) return [x.row];
  return [x.row - axes.filter((axis) => axis < (x.row as number)).length];
};

const arg: Rule = (context) => {
  const [x] = context.inputs;
  const axis = fromFront(intOf(context.node, 'axis', 0), x?.dims.length ?? 0);
  if (x?.row === undefined) return [undefined];
  if (axis === x.row) return MIXES;
  return [intOf(context.node, 'keepdims', 1) === 1 || axis > x.row ? x.row : x.row - 1];
};

/** Rows stay rows when as many elements lie before them as did. */
const reshape: Rule = ({ inputs: [x], outputs: [out] }) => {
  if (x?.row === undefined) return [undefined];
  if (out === undefined) return MIXES;
  const before = product(x.dims.slice(0, x.row));
  const axis = out.findIndex((dim, at) => dim === 'M' && product(out.slice(0, at)) === before);
  return axis < 0 || before === undefined ? 'a shape that keeps the rows on an axis of their own' : [axis];
};

function product(dims: readonly SourceDim[]): number | undefined {
  let result = 1;
  for (const dim of dims) {
    if (typeof dim !== 'number') return undefined;
    result *= dim;
  }
  return result;
}

const transpose: Rule = ({ node, inputs: [x] }) => {
  if (x?.row === undefined) return [undefined];
  const rank = x.dims.length;
  const order = intsOf(node, 'perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  return [order.indexOf(x.row)];
};

const concat: Rule = (context) => {
  const { node, inputs, outputs } = context;
  const rows = new Set(inputs.map((input) => input?.row));
  const axis = fromFront(intOf(node, 'axis', 0), outputs[0]?.length ?? 0);
  if (rows.size > 1 || rows.has(axis)) return MIXES;
  return [inputs[0]?.row];
};

/** May cut the rows' own axis only when it takes all of it, in order. */
const slice: Rule = ({ node, inputs: [x], outputs: [out], ints }) => {
  if (x?.row === undefined) return [undefined];
  // As many rows may also come out backwards.
  const isInOrder = !node.inputs[4] || ints('steps', 4)?.every((step) => step > 0) === true;
  return isInOrder && out?.[x.row] === 'M' ? [x.row] : MIXES;
};

/** Once along the rows. */
const tile: Rule = ({ inputs: [x], outputs: [out] }) =>
  x?.row === undefined || out?.[x.row] === 'M' ? [x?.row] : MIXES;

const gather: Rule = ({ node, inputs: [x, indexes] }) => {
  const rank = x?.dims.length ?? 0;
  const axis = fromFront(intOf(node, 'axis', 0), rank);
  if (x?.row === undefined) return [indexes?.row === undefined ? undefined : axis + indexes.row];
  if (indexes?.row !== undefined || x.row === axis) return 'a table that is the same for all rows';
  return [x.row < axis ? x.row : x.row - 1 + (indexes?.dims.length ?? 0)];
};

const gatherBlocks: Rule = ({ node, inputs: [table, indexes, ...rest] }) => {
  if (table?.row !== undefined || rest.some((input) => input?.row !== undefined)) return MIXES;
  return [indexes?.row === undefined ? undefined : intOf(node, 'gather_axis', 0) + indexes.row];
};

/** Attributes of a product that move rows, or axes before them. */
const MOVING = ['transA', 'transBatchA', 'transBatchB'];

const matMul: Rule = ({ node, inputs: [a, b], outputs: [out] }) => {
  if (out === undefined || MOVING.some((name) => intOf(node, name, 0) === 1)) return MIXES;
  const [left, right] = [a?.row, b?.row];
  if (left === undefined && right === undefined) return [undefined];
  const ends = (operand: RowOperand | undefined) => (operand?.dims.length ?? 0) - (operand?.row ?? 0);
  if (right === undefined) {
    const at = ends(a);
    return at === 1 ? MIXES : [out.length - at];
  }
  const turned = intOf(node, 'transB', 0) === 1;
  const at = ends(b);
  if (left === undefined) {
    if (at === (turned ? 1 : 2)) return MIXES;
    return [at <= 2 ? out.length - 1 : out.length - at];
  }
  return at > 2 && ends(a) === at ? [out.length - at] : MIXES;
};

const gemm: Rule = ({ node, inputs: [a, b, c] }) => {
  if (b?.row !== undefined || c?.row !== undefined) return MIXES;
  return a?.row === undefined ? [undefined] : a.row === 0 && intOf(node, 'transA', 0) === 0 ? [0] : MIXES;
};

/** x with positions of its rows, and tables. */
const rotary: Rule = ({ inputs }) => {
  const x = inputs[0];
  const others = inputs.slice(1).flatMap((input) => (input?.row === undefined ? [] : [input]));
  if (x?.row === undefined) return MIXES;
  const isByPosition = others.length > 0 && others.every((input) => input.dims.length - (input.row as number) === 1);
  return isByPosition ? [x.row] : 'positions [1, rows]';
};

/** Fills: of rows when one of its extents is their number. */
const fill: Rule = ({ inputs: [x], outputs: [out] }) => {
  if (out === undefined) return MIXES;
  if (x?.row !== undefined) return [out.length - (x.dims.length - x.row)];
  const axes = out.flatMap((dim, axis) => (dim === 'M' ? [axis] : []));
  return axes.length > 1 ? MIXES : [axes[0]];
};

/** One scale for all elements works along no axis. */
const dequantize: Rule = (context) => {
  const isWhole = context.inputs[1]?.dims.every((dim) => dim === 1) === true;
  return along(() => (isWhole ? [] : [intOf(context.node, 'axis', 1)]))(context);
};

function named(names: string, rule: Rule): Record<string, Rule> {
  return Object.fromEntries(names.split(' ').map((name) => [name, rule]));
}

/** Of extents, and of what follows from them: not of any row. */
const ofExtents: Rule = ({ outputs }) => outputs.map(() => undefined);

const rules: Readonly<Record<string, Rule>> = {
  ...named('Shape Size Range', ofExtents),
  ...named(
    'Abs Neg Exp Log Sqrt Reciprocal Sigmoid Tanh Relu Erf Cos Sin Floor Ceil Round Sign Not IsNaN IsInf Identity',
    ofFirst,
  ),
  ...named('Softplus Softsign HardSwish HardSigmoid LeakyRelu Elu Gelu Mish Swish Clip Cast Dropout', ofFirst),
  ...named('com.microsoft.Gelu com.microsoft.QuickGelu com.microsoft.FastGelu com.microsoft.BiasGelu', ofFirst),
  ...named(
    'Add Sub Mul Div Pow Mod Min Max Sum And Or Xor Equal Less LessOrEqual Greater GreaterOrEqual Where CastLike',
    aligned,
  ),
  ...named('ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL2 ReduceSumSquare', reduce),
  ...named(
    'LayerNormalization SimplifiedLayerNormalization RMSNormalization com.microsoft.SimplifiedLayerNormalization',
    norm,
  ),
  ...named('com.microsoft.SkipLayerNormalization com.microsoft.SkipSimplifiedLayerNormalization', skipNorm),
  ...named('Softmax LogSoftmax', softmax),
  ...named('ArgMax ArgMin', arg),
  ...named('Reshape Flatten', reshape),
  ...named('Unsqueeze Squeeze', reshape),
  ...named('Expand ConstantOfShape', fill),
  ...named('MatMul com.microsoft.FusedMatMul', matMul),
  ...named('com.microsoft.RotaryEmbedding RotaryEmbedding', rotary),
  ...named(
    'com.microsoft.MatMulNBits',
    along((_, rank) => [rank - 1]),
  ),
  DequantizeLinear: dequantize,
  TopK: ofAxis(-1),
  CumSum: along(({ ints }) => ints('axis', 1)),
  Split: ofAxis(0),
  Tile: tile,
  GatherElements: ofAxis(0),
  ScatterElements: ofAxis(0),
  Transpose: transpose,
  Concat: concat,
  Slice: slice,
  Gather: gather,
  'com.microsoft.GatherBlockQuantized': gatherBlocks,
  Gemm: gemm,
};

/** Pure. */
export function rowsOf(context: RowContext): RowResult {
  const { domain, operator } = context.node;
  const key = domain === '' ? operator : `${domain}.${operator}`;
  const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
  return rule === undefined ? MIXES : rule(context);
}

/** Inputs that hold extents, axes and the like: rewritten, never computed with. Pure. */
export function shapeOperands(operator: string): readonly number[] {
  const found: Readonly<Record<string, readonly number[]>> = {
    Reshape: [1],
    Expand: [1],
    Tile: [1],
    ConstantOfShape: [0],
    Slice: [1, 2, 3, 4],
    Unsqueeze: [1],
    Squeeze: [1],
    Split: [1],
    TopK: [1],
    CumSum: [1],
    Trilu: [1],
  };
  if (operator.startsWith('Reduce')) return [1];
  return Object.hasOwn(found, operator) ? (found[operator] as readonly number[]) : [];
}
