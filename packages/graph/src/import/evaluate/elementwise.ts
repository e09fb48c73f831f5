/** Operators whose output at a place follows from the inputs at that place. */
import type { ElementType } from '../../ir/graph.ts';
import { elementTypeOf } from '../read-tensor.ts';
import { elementsOf, floatOf, intOf } from '../source-graph.ts';
import { type ComputeContext, type Operator, type OperatorTable, rounding, shape } from './operator.ts';
import { broadcastDims, broadcastStrides, type Elements, type TensorShape, walk } from './tensor.ts';

type Same = (x: TensorShape) => ElementType;
const ofInput: Same = ({ type }) => type;
const bool: Same = () => 'bool';

function unary(f: ((x: number) => number) | undefined, type: Same = ofInput): Operator {
  return {
    infer: ({ inputs: [x] }) => x && [shape(type(x), x.dims)],
    ...(f && {
      compute: ({ elements: [x], outputs: [out] }: ComputeContext) => [
        (x as Elements).map((element) => rounding(out?.type ?? 'float64')(f(element))),
      ],
    }),
  };
}

type Nary = (...elements: number[]) => number;

/** `typed`: the input whose type the output has. */
function nary(make: (type: ElementType) => Nary, type: Same = ofInput, typed = 0): Operator {
  return {
    infer({ inputs }) {
      const given = inputs.flatMap((input) => (input === undefined ? [] : [input]));
      const like = inputs[typed];
      if (given.length < inputs.length || like === undefined) return undefined;
      const dims = broadcastDims(given.map((input) => input.dims));
      return dims && [shape(type(like), dims)];
    },
    compute({ inputs, elements, outputs: [out] }) {
      const f = make(inputs[typed]?.type ?? 'float64');
      const { dims, type: outType } = out as TensorShape;
      const strides = inputs.map((input) => broadcastStrides((input as TensorShape).dims, dims));
      const result = new Float64Array(elementsOf(dims));
      const round = rounding(outType);
      const row = new Array<number>(inputs.length).fill(0);
      walk(dims, strides, (index, offsets) => {
        for (let i = 0; i < row.length; i += 1) row[i] = (elements[i] as Elements)[offsets[i] as number] as number;
        result[index] = round(f(...row));
      });
      return [result];
    },
  };
}

const plain = (f: Nary) => nary(() => f);
const compare = (f: (a: number, b: number) => boolean) =>
  nary(() => (a, b) => (f(a as number, b as number) ? 1 : 0), bool);
const isInteger = (type: ElementType) => type === 'int32' || type === 'int64' || type === 'uint8' || type === 'int8';
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Abramowitz and Stegun 7.1.26; for shapes and masks alone, so its 1e-7 is enough. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const poly = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - poly * Math.exp(-x * x));
}

const clip: Operator = {
  infer: ({ inputs: [x] }) => x && [x],
  compute({ node, elements: [x, low, high] }) {
    const least = low?.[0] ?? floatOf(node, 'min', Number.NEGATIVE_INFINITY);
    const most = high?.[0] ?? floatOf(node, 'max', Number.POSITIVE_INFINITY);
    return [(x as Elements).map((element) => Math.min(Math.max(element, least), most))];
  },
};

const cast: Operator = {
  infer({ node, inputs: [x] }) {
    const type = elementTypeOf(intOf(node, 'to', 0));
    return x && type && [shape(type, x.dims)];
  },
  compute: ({ elements: [x], outputs: [out] }) => [(x as Elements).map(rounding((out as TensorShape).type))],
};

const castLike: Operator = {
  infer: ({ inputs: [x, like] }) => x && like && [shape(like.type, x.dims)],
  compute: ({ elements: [x], outputs: [out] }) => [(x as Elements).map(rounding((out as TensorShape).type))],
};

/** The mask of a dropout is not wanted by anybody at inference. */
const dropout: Operator = {
  infer: ({ inputs: [x] }) => x && [x, shape('bool', x.dims)],
  compute: ({ elements: [x] }) => [x],
};

export const elementwise: OperatorTable = {
  Abs: unary(Math.abs),
  Neg: unary((x) => -x),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Sigmoid: unary(sigmoid),
  Tanh: unary(Math.tanh),
  Relu: unary((x) => Math.max(x, 0)),
  Erf: unary(erf),
  Cos: unary(Math.cos),
  Sin: unary(Math.sin),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Round: unary(undefined),
  Sign: unary(Math.sign),
  Not: unary((x) => (x === 0 ? 1 : 0)),
  IsNaN: unary((x) => (Number.isNaN(x) ? 1 : 0), bool),
  IsInf: unary((x) => (Math.abs(x) === Number.POSITIVE_INFINITY ? 1 : 0), bool),
  Identity: unary((x) => x),
  Softplus: unary(undefined),
  Softsign: unary(undefined),
  HardSwish: unary(undefined),
  HardSigmoid: unary(undefined),
  LeakyRelu: unary(undefined),
  Elu: unary(undefined),
  Gelu: unary(undefined),
  Mish: unary(undefined),
  Swish: unary(undefined),
  'com.microsoft.Gelu': unary(undefined),
  'com.microsoft.QuickGelu': unary(undefined),
  'com.microsoft.FastGelu': unary(undefined),
  'com.microsoft.BiasGelu': unary(undefined),
  Clip: clip,
  Cast: cast,
  CastLike: castLike,
  Dropout: dropout,
  Add: plain((a, b) => (a as number) + (b as number)),
  Sub: plain((a, b) => (a as number) - (b as number)),
  Mul: plain((a, b) => (a as number) * (b as number)),
  Div: nary((type) =>
    isInteger(type)
      ? (a, b) => (b === 0 ? 0 : Math.trunc((a as number) / (b as number)))
      : (a, b) => (a as number) / (b as number),
  ),
  Pow: plain((a, b) => (a as number) ** (b as number)),
  Mod: plain((a, b) => (a as number) - Math.floor((a as number) / (b as number)) * (b as number)),
  Min: plain(Math.min),
  Max: plain(Math.max),
  Sum: plain((...all) => all.reduce((sum, x) => sum + x, 0)),
  And: compare((a, b) => a !== 0 && b !== 0),
  Or: compare((a, b) => a !== 0 || b !== 0),
  Xor: compare((a, b) => (a !== 0) !== (b !== 0)),
  Equal: compare((a, b) => a === b),
  Less: compare((a, b) => a < b),
  LessOrEqual: compare((a, b) => a <= b),
  Greater: compare((a, b) => a > b),
  GreaterOrEqual: compare((a, b) => a >= b),
  Where: nary(() => (condition, yes, no) => (condition !== 0 ? (yes as number) : (no as number)), ofInput, 1),
};
