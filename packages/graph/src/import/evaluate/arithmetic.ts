/** Products, reductions, normalisations: operators that mix elements of an axis. */
import { elementsOf, floatOf, intOf, type SourceNode } from '../source-graph.ts';
import { integers } from './layout.ts';
import {
  type ComputeContext,
  type InferContext,
  type Operator,
  type OperatorTable,
  rounding,
  shape,
} from './operator.ts';
import { axisOf, broadcastDims, broadcastStrides, type Elements, stridesOf, type TensorShape, walk } from './tensor.ts';

/** Multiplications of one product, at most: attention of a few rows needs far fewer. */
const MAX_PRODUCTS = 1 << 28;

function productDims(a: readonly number[], b: readonly number[]): number[] | undefined {
  if (a.length === 0 || b.length === 0) return undefined;
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  const batch = broadcastDims([left.slice(0, -2), right.slice(0, -2)]);
  if (batch === undefined || left.at(-1) !== right.at(-2)) return undefined;
  return [
    ...batch,
    ...(a.length === 1 ? [] : [left.at(-2) as number]),
    ...(b.length === 1 ? [] : [right.at(-1) as number]),
  ];
}

const matMul: Operator = {
  infer({ inputs: [a, b] }) {
    const dims = a && b && productDims(a.dims, b.dims);
    return a && dims && [shape(a.type, dims)];
  },
  compute({ inputs: [a, b], elements: [left, right], outputs: [out] }) {
    const [aDims, bDims] = [(a as TensorShape).dims, (b as TensorShape).dims];
    if (aDims.length < 2 || bDims.length < 2) return [undefined];
    const [rows, inner, columns] = [aDims.at(-2) as number, aDims.at(-1) as number, bDims.at(-1) as number];
    const batch = (out as TensorShape).dims.slice(0, -2);
    if (elementsOf((out as TensorShape).dims) * inner > MAX_PRODUCTS) return [undefined];
    const result = new Float64Array(elementsOf((out as TensorShape).dims));
    const strides = [aDims, bDims].map((dims) => {
      const run = (dims.at(-2) as number) * (dims.at(-1) as number);
      return broadcastStrides(dims.slice(0, -2), batch).map((stride) => stride * run);
    });
    walk(batch, strides, (index, [aAt, bAt]) => {
      for (let row = 0; row < rows; row += 1) {
        for (let column = 0; column < columns; column += 1) {
          let sum = 0;
          for (let k = 0; k < inner; k += 1) {
            sum +=
              ((left as Elements)[(aAt as number) + row * inner + k] as number) *
              ((right as Elements)[(bAt as number) + k * columns + column] as number);
          }
          result[(index * rows + row) * columns + column] = sum;
        }
      }
    });
    return [result];
  },
};

const gemm: Operator = {
  infer({ node, inputs: [a, b] }) {
    if (a?.dims.length !== 2 || b?.dims.length !== 2) return undefined;
    const rows = a.dims[intOf(node, 'transA', 0)] as number;
    const columns = b.dims[1 - intOf(node, 'transB', 0)] as number;
    return [shape(a.type, [rows, columns])];
  },
};

/** Axes that a reduction runs over. */
function reducedAxes(context: InferContext, rank: number): ReadonlySet<number> | undefined {
  const given =
    context.inputs[1] !== undefined || context.node.attributes.has('axes') ? integers(context, 'axes', 1) : [];
  if (given === undefined) return undefined;
  const all = Array.from({ length: rank }, (_, axis) => axis);
  const isNothing = given.length === 0 && intOf(context.node, 'noop_with_empty_axes', 0) === 1;
  const axes = given.length === 0 && !isNothing ? all : given.map((axis) => axisOf(axis, rank) ?? Number.NaN);
  return axes.some(Number.isNaN) ? undefined : new Set(axes);
}

function reduction(
  fold?: (sum: number, x: number) => number,
  start = 0,
  ends: (sum: number, count: number) => number = (sum) => sum,
): Operator {
  const operator: Operator = {
    infer(context) {
      const [x] = context.inputs;
      const axes = x && reducedAxes(context, x.dims.length);
      if (x === undefined || axes === undefined) return undefined;
      const keeps = intOf(context.node, 'keepdims', 1) === 1;
      return [
        shape(
          x.type,
          x.dims.flatMap((dim, axis) => (axes.has(axis) ? (keeps ? [1] : []) : [dim])),
        ),
      ];
    },
  };
  if (fold === undefined) return operator;
  return {
    ...operator,
    compute({ node, opset, inputs, elements, outputs: [out] }: ComputeContext) {
      const { dims, type } = inputs[0] as TensorShape;
      const axes = reducedAxes(
        { node, opset, inputs, elements: (input) => elements[input] },
        dims.length,
      ) as ReadonlySet<number>;
      const kept = dims.map((dim, axis) => (axes.has(axis) ? 1 : dim));
      const result = new Float64Array(elementsOf((out as TensorShape).dims)).fill(start);
      const strides = broadcastStrides(kept, dims);
      walk(dims, [strides], (index, [offset]) => {
        result[offset as number] = fold(result[offset as number] as number, (elements[0] as Elements)[index] as number);
      });
      const count = elementsOf(dims) / Math.max(1, result.length);
      return [result.map((sum) => rounding(type)(ends(sum, count)))];
    },
  };
}

const softmax: Operator = {
  infer: ({ inputs: [x] }) => x && [x],
  compute({ node, opset, inputs: [x], elements: [from] }) {
    const { dims } = x as TensorShape;
    const axis = axisOf(intOf(node, 'axis', opset < 13 ? 1 : -1), dims.length);
    if (axis === undefined || (opset < 13 && axis !== dims.length - 1)) return [undefined];
    const stride = stridesOf(dims)[axis] as number;
    const extent = dims[axis] as number;
    const result = new Float64Array((from as Elements).length);
    for (let index = 0; index < result.length; index += 1) {
      if (Math.floor(index / stride) % extent !== 0) continue;
      let most = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < extent; i += 1) most = Math.max(most, (from as Elements)[index + i * stride] as number);
      let sum = 0;
      for (let i = 0; i < extent; i += 1) {
        const power = Math.exp(((from as Elements)[index + i * stride] as number) - most);
        result[index + i * stride] = power;
        sum += power;
      }
      for (let i = 0; i < extent; i += 1) result[index + i * stride] = (result[index + i * stride] as number) / sum;
    }
    return [result];
  },
};

const same: Operator = { infer: ({ inputs: [x] }) => x && [x] };

/** The fourth output of a skip normalisation is the sum that was normalised; the ones between are of no use at inference. */
const skipNorm: Operator = { infer: ({ inputs: [x] }) => x && [x, undefined, undefined, x] };

function chosen(node: SourceNode, x: TensorShape): TensorShape | undefined {
  const axis = axisOf(intOf(node, 'axis', 0), x.dims.length);
  if (axis === undefined) return undefined;
  const keeps = intOf(node, 'keepdims', 1) === 1;
  return shape(
    'int64',
    x.dims.flatMap((dim, at) => (at === axis ? (keeps ? [1] : []) : [dim])),
  );
}

const arg: Operator = {
  infer({ node, inputs: [x] }) {
    const out = x && chosen(node, x);
    return out && [out];
  },
};

const topK: Operator = {
  infer({ node, inputs: [x], elements }) {
    const count = elements(1)?.[0];
    const axis = x && axisOf(intOf(node, 'axis', -1), x.dims.length);
    if (x === undefined || count === undefined || axis === undefined) return undefined;
    const dims = x.dims.map((dim, at) => (at === axis ? count : dim));
    return [shape(x.type, dims), shape('int64', dims)];
  },
};

/** x [.., K] with a packed matrix of N columns. */
const matMulNBits: Operator = {
  infer: ({ node, inputs: [x] }) => x && [shape(x.type, [...x.dims.slice(0, -1), intOf(node, 'N', 0)])],
};

const quantize: Operator = {
  infer: ({ inputs: [x] }) => x && [shape('uint8', x.dims), shape('float32', []), shape('uint8', [])],
};

const dequantize: Operator = { infer: ({ inputs: [x, scale] }) => x && [shape(scale?.type ?? 'float32', x.dims)] };

/** Quantised product; the element type of the result is what differs. */
function integerProduct(type: 'int32' | 'float32'): Operator {
  return {
    infer({ inputs: [a, b] }) {
      const dims = a && b && productDims(a.dims, b.dims);
      return dims && [shape(type, dims)];
    },
  };
}

const fusedMatMul: Operator = {
  infer({ node, inputs: [a, b] }) {
    if (a === undefined || b === undefined) return undefined;
    const turn = (dims: readonly number[], attribute: string) =>
      intOf(node, attribute, 0) === 1 ? [...dims.slice(0, -2), dims.at(-1) as number, dims.at(-2) as number] : dims;
    const dims = productDims(turn(a.dims, 'transA'), turn(b.dims, 'transB'));
    return dims && [shape(a.type, dims)];
  },
  compute(context) {
    const { node, inputs, elements } = context;
    if (intOf(node, 'transA', 0) === 1) return [undefined];
    const alpha = floatOf(node, 'alpha', 1);
    const right =
      intOf(node, 'transB', 0) === 1 ? turned(inputs[1] as TensorShape, elements[1] as Elements) : undefined;
    const given = right
      ? { ...context, inputs: [inputs[0], right.shape], elements: [elements[0], right.elements] }
      : context;
    return [matMul.compute?.(given)[0]?.map((x) => x * alpha)];
  },
};

/** The last two axes exchanged. */
function turned({ type, dims }: TensorShape, elements: Elements): { shape: TensorShape; elements: Elements } {
  const [rows, columns] = [dims.at(-2) as number, dims.at(-1) as number];
  const result = elements.map((_, index) => {
    const within = index % (rows * columns);
    return elements[index - within + (within % rows) * columns + Math.floor(within / rows)] as number;
  });
  return { shape: shape(type, [...dims.slice(0, -2), columns, rows]), elements: result };
}

export const arithmetic: OperatorTable = {
  MatMul: matMul,
  Gemm: gemm,
  'com.microsoft.FusedMatMul': fusedMatMul,
  'com.microsoft.MatMulNBits': matMulNBits,
  MatMulInteger: integerProduct('int32'),
  'com.microsoft.MatMulIntegerToFloat': integerProduct('float32'),
  'com.microsoft.DynamicQuantizeMatMul': integerProduct('float32'),
  DynamicQuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  ReduceMean: reduction(
    (sum, x) => sum + x,
    0,
    (sum, count) => sum / count,
  ),
  ReduceSum: reduction((sum, x) => sum + x),
  ReduceMax: reduction(Math.max, Number.NEGATIVE_INFINITY),
  ReduceMin: reduction(Math.min, Number.POSITIVE_INFINITY),
  ReduceProd: reduction((product, x) => product * x, 1),
  ReduceL2: reduction(),
  ReduceSumSquare: reduction(),
  Softmax: softmax,
  LogSoftmax: same,
  LayerNormalization: same,
  SimplifiedLayerNormalization: same,
  RMSNormalization: same,
  'com.microsoft.SkipLayerNormalization': skipNorm,
  'com.microsoft.SkipSimplifiedLayerNormalization': skipNorm,
  'com.microsoft.SimplifiedLayerNormalization': same,
  'com.microsoft.RotaryEmbedding': same,
  RotaryEmbedding: same,
  ArgMax: arg,
  ArgMin: arg,
  TopK: topK,
};
