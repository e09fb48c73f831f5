/** Operators that move elements or make extents: nothing is computed with the elements. */
import { elementsOf, intOf, intsOf, type SourceNode } from '../source-graph.ts';
import { type InferContext, type Operator, type OperatorTable, shape } from './operator.ts';
import { axisOf, broadcastDims, broadcastStrides, type Elements, stridesOf, type TensorShape, walk } from './tensor.ts';

/** Integers of an attribute, which older opsets use, or of an input, which newer ones do; undefined: neither is known. */
export function integers(context: InferContext, attribute: string, input: number): readonly number[] | undefined {
  const inline = intsOf(context.node, attribute);
  if (inline !== undefined) return inline;
  const elements = context.inputs[input] === undefined ? undefined : context.elements(input);
  return elements && [...elements];
}

const same = ({ elements: [x] }: { elements: readonly (Elements | undefined)[] }) => [x];

const reshape: Operator = {
  infer(context) {
    const [x] = context.inputs;
    const target = context.elements(1);
    if (x === undefined || target === undefined) return undefined;
    const keepsZero = intOf(context.node, 'allowzero', 0) === 1;
    const dims = [...target].map((dim, axis) => (dim === 0 && !keepsZero ? (x.dims[axis] ?? 0) : dim));
    const open = dims.indexOf(-1);
    const known = dims.reduce((product, dim) => (dim === -1 ? product : product * dim), 1);
    if (open >= 0) dims[open] = known === 0 ? 0 : elementsOf(x.dims) / known;
    const isSound = dims.every((dim) => Number.isInteger(dim) && dim >= 0) && elementsOf(dims) === elementsOf(x.dims);
    return isSound ? [shape(x.type, dims)] : undefined;
  },
  compute: same,
};

const flatten: Operator = {
  infer({ node, inputs: [x] }) {
    if (x === undefined) return undefined;
    const axis = intOf(node, 'axis', 1);
    const at = axis < 0 ? axis + x.dims.length : axis;
    return [shape(x.type, [elementsOf(x.dims.slice(0, at)), elementsOf(x.dims.slice(at))])];
  },
  compute: same,
};

function permutation(node: SourceNode, rank: number): readonly number[] | undefined {
  const order = intsOf(node, 'perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  const isSound =
    order.length === rank && new Set(order).size === rank && order.every((axis) => axisOf(axis, rank) === axis);
  return isSound ? order : undefined;
}

const transpose: Operator = {
  infer({ node, inputs: [x] }) {
    const order = x && permutation(node, x.dims.length);
    return (
      x &&
      order && [
        shape(
          x.type,
          order.map((axis) => x.dims[axis] as number),
        ),
      ]
    );
  },
  compute({ node, inputs: [x], elements: [from], outputs: [out] }) {
    const own = stridesOf((x as TensorShape).dims);
    const order = permutation(node, own.length) as readonly number[];
    return [
      pick(
        from as Elements,
        (out as TensorShape).dims,
        order.map((axis) => own[axis] as number),
      ),
    ];
  },
};

/** Elements of `from` under strides, in the order of `dims`. */
function pick(from: Elements, dims: readonly number[], strides: readonly number[], start = 0): Elements {
  const result = new Float64Array(elementsOf(dims));
  walk(dims, [strides], (index, [offset]) => {
    result[index] = from[start + (offset as number)] as number;
  });
  return result;
}

const unsqueeze: Operator = {
  infer(context) {
    const [x] = context.inputs;
    const axes = integers(context, 'axes', 1);
    if (x === undefined || axes === undefined) return undefined;
    const rank = x.dims.length + axes.length;
    const at = new Set(axes.map((axis) => axisOf(axis, rank)));
    if (at.has(undefined) || at.size !== axes.length) return undefined;
    const rest = [...x.dims];
    return [
      shape(
        x.type,
        Array.from({ length: rank }, (_, axis) => (at.has(axis) ? 1 : (rest.shift() as number))),
      ),
    ];
  },
  compute: same,
};

const squeeze: Operator = {
  infer(context) {
    const [x] = context.inputs;
    if (x === undefined) return undefined;
    const hasAxes = context.inputs.length > 1 || context.node.attributes.has('axes');
    const axes = hasAxes ? integers(context, 'axes', 1) : x.dims.flatMap((dim, axis) => (dim === 1 ? [axis] : []));
    const at = axes && new Set(axes.map((axis) => axisOf(axis, x.dims.length)));
    return (
      at && [
        shape(
          x.type,
          x.dims.filter((_, axis) => !at.has(axis)),
        ),
      ]
    );
  },
  compute: same,
};

const expand: Operator = {
  infer(context) {
    const [x] = context.inputs;
    const target = context.elements(1);
    const dims = x && target && broadcastDims([x.dims, [...target]]);
    return x && dims && [shape(x.type, dims)];
  },
  compute({ inputs: [x], elements: [from], outputs: [out] }) {
    const { dims } = out as TensorShape;
    return [pick(from as Elements, dims, broadcastStrides((x as TensorShape).dims, dims))];
  },
};

const tile: Operator = {
  infer(context) {
    const [x] = context.inputs;
    const repeats = context.elements(1);
    return (
      x &&
      repeats && [
        shape(
          x.type,
          x.dims.map((dim, axis) => dim * (repeats[axis] as number)),
        ),
      ]
    );
  },
  compute({ inputs: [x], elements: [from], outputs: [out] }) {
    const own = (x as TensorShape).dims;
    const strides = stridesOf(own);
    const { dims } = out as TensorShape;
    const result = new Float64Array(elementsOf(dims));
    const outer = stridesOf(dims);
    for (let index = 0; index < result.length; index += 1) {
      const offset = dims.reduce((sum, dim, axis) => {
        const place = Math.floor(index / (outer[axis] as number)) % dim;
        return sum + (place % (own[axis] as number)) * (strides[axis] as number);
      }, 0);
      result[index] = (from as Elements)[offset] as number;
    }
    return [result];
  },
};

const concat: Operator = {
  infer({ node, inputs }) {
    const [first] = inputs;
    const axis = first && axisOf(intOf(node, 'axis', 0), first.dims.length);
    if (first === undefined || axis === undefined) return undefined;
    let sum = 0;
    for (const input of inputs) {
      if (input === undefined || input.dims.length !== first.dims.length) return undefined;
      if (input.dims.some((dim, at) => at !== axis && dim !== first.dims[at])) return undefined;
      sum += input.dims[axis] as number;
    }
    return [
      shape(
        first.type,
        first.dims.map((dim, at) => (at === axis ? sum : dim)),
      ),
    ];
  },
  compute({ node, inputs, elements, outputs: [out] }) {
    const { dims } = out as TensorShape;
    const axis = axisOf(intOf(node, 'axis', 0), dims.length) as number;
    const result = new Float64Array(elementsOf(dims));
    const inner = elementsOf(dims.slice(axis + 1));
    const outerRun = (dims[axis] as number) * inner;
    let start = 0;
    inputs.forEach((input, index) => {
      const run = ((input as TensorShape).dims[axis] as number) * inner;
      for (let outer = 0; outer * run < (elements[index] as Elements).length; outer += 1) {
        result.set((elements[index] as Elements).subarray(outer * run, (outer + 1) * run), outer * outerRun + start);
      }
      start += run;
    });
    return [result];
  },
};

function widths(context: InferContext): { axis: number; parts: readonly number[] } | undefined {
  const [x] = context.inputs;
  const axis = x && axisOf(intOf(context.node, 'axis', 0), x.dims.length);
  if (x === undefined || axis === undefined) return undefined;
  const dim = x.dims[axis] as number;
  const count = context.node.outputs.length;
  const even = Math.ceil(dim / count);
  const given = context.inputs.length > 1 || context.node.attributes.has('split');
  const parts = given
    ? integers(context, 'split', 1)
    : Array.from({ length: count }, (_, part) => Math.max(0, Math.min(even, dim - part * even)));
  const isSound = parts?.length === count && parts.reduce((sum, part) => sum + part, 0) === dim;
  return isSound ? { axis, parts } : undefined;
}

const split: Operator = {
  infer(context) {
    const [x] = context.inputs;
    const cut = widths(context);
    return (
      x &&
      cut?.parts.map((part) =>
        shape(
          x.type,
          x.dims.map((dim, at) => (at === cut.axis ? part : dim)),
        ),
      )
    );
  },
  compute({ node, inputs: [x], elements: [from], outputs }) {
    const { dims } = x as TensorShape;
    const axis = axisOf(intOf(node, 'axis', 0), dims.length) as number;
    const strides = stridesOf(dims);
    let start = 0;
    return outputs.map((out) => {
      const part = pick(from as Elements, (out as TensorShape).dims, strides, start);
      start += ((out as TensorShape).dims[axis] as number) * (strides[axis] as number);
      return part;
    });
  },
};

const shapeOf: Operator = {
  infer: ({ node, inputs: [x] }) => x && [shape('int64', [shapeRange(node, x.dims).length])],
  compute: ({ node, inputs: [x] }) => [Float64Array.from(shapeRange(node, (x as TensorShape).dims))],
};

function shapeRange(node: SourceNode, dims: readonly number[]): readonly number[] {
  return dims.slice(intOf(node, 'start', 0), intOf(node, 'end', dims.length));
}

export const layout: OperatorTable = {
  Reshape: reshape,
  Flatten: flatten,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
  Squeeze: squeeze,
  Expand: expand,
  Tile: tile,
  Concat: concat,
  Split: split,
  Shape: shapeOf,
  Size: {
    infer: ({ inputs: [x] }) => x && [shape('int64', [])],
    compute: ({ inputs: [x] }) => [Float64Array.of(elementsOf((x as TensorShape).dims))],
  },
};
