/** Operators that choose elements by index, and those that make tensors of indexes. */
import { elementsOf, intOf, type SourceNode, textOf } from '../source-graph.ts';
import { integers } from './layout.ts';
import { type InferContext, type Operator, type OperatorTable, shape } from './operator.ts';
import { axisOf, decode, type Elements, stridesOf, type TensorShape, walk } from './tensor.ts';

/** Longest tensor that a Range or a fill may make: enough for the positions of a long context. */
const MAX_MADE = 1 << 22;

const gather: Operator = {
  infer({ node, inputs: [x, indexes] }) {
    const axis = x && axisOf(intOf(node, 'axis', 0), x.dims.length);
    if (x === undefined || indexes === undefined || axis === undefined) return undefined;
    return [shape(x.type, [...x.dims.slice(0, axis), ...indexes.dims, ...x.dims.slice(axis + 1)])];
  },
  compute({ node, inputs: [x], elements: [from, indexes], outputs: [out] }) {
    const { dims } = x as TensorShape;
    const axis = axisOf(intOf(node, 'axis', 0), dims.length) as number;
    const extent = dims[axis] as number;
    const inner = elementsOf(dims.slice(axis + 1));
    const outer = elementsOf(dims.slice(0, axis));
    const result = new Float64Array(elementsOf((out as TensorShape).dims));
    let at = 0;
    for (let block = 0; block < outer; block += 1) {
      for (const index of indexes as Elements) {
        const place = index < 0 ? index + extent : index;
        if (!(place >= 0 && place < extent)) return [undefined];
        const start = (block * extent + place) * inner;
        result.set((from as Elements).subarray(start, start + inner), at);
        at += inner;
      }
    }
    return [result];
  },
};

/** Rows of a quantised table, as numbers: two codes of 4 bits lie in a byte along the last axis. */
const gatherBlocks: Operator = {
  infer({ node, inputs: [x, indexes, scales] }) {
    const axis = x && axisOf(intOf(node, 'gather_axis', 0), x.dims.length);
    if (x === undefined || indexes === undefined || scales === undefined || axis === undefined) return undefined;
    const packed = x.type === 'uint8' && intOf(node, 'bits', 4) === 4 ? 2 : 1;
    const dims = x.dims.map((dim, at) => (at === x.dims.length - 1 ? dim * packed : dim));
    return [shape(scales.type, [...dims.slice(0, axis), ...indexes.dims, ...dims.slice(axis + 1)])];
  },
};

const gatherElements: Operator = {
  infer: ({ inputs: [x, indexes] }) => x && indexes && [shape(x.type, indexes.dims)],
  compute({ node, inputs: [x, indexes], elements: [from, at] }) {
    const { dims } = x as TensorShape;
    const axis = axisOf(intOf(node, 'axis', 0), dims.length);
    if (axis === undefined) return [undefined];
    const strides = stridesOf(dims);
    const result = new Float64Array((at as Elements).length);
    walk(
      (indexes as TensorShape).dims,
      [strides.map((stride, along) => (along === axis ? 0 : stride))],
      (index, [offset]) => {
        const place = (at as Elements)[index] as number;
        const wrapped = place < 0 ? place + (dims[axis] as number) : place;
        result[index] = (from as Elements)[(offset as number) + wrapped * (strides[axis] as number)] ?? Number.NaN;
      },
    );
    return [result];
  },
};

interface Cut {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** What a Slice takes of each axis. */
function cuts(context: InferContext, dims: readonly number[]): Cut[] | undefined {
  const starts = integers(context, 'starts', 1);
  const ends = integers(context, 'ends', 2);
  if (starts === undefined || ends === undefined) return undefined;
  const has = (input: number) => context.inputs[input] !== undefined;
  const axes =
    has(3) || context.node.attributes.has('axes') ? integers(context, 'axes', 3) : starts.map((_, axis) => axis);
  const steps = has(4) ? integers(context, 'steps', 4) : starts.map(() => 1);
  if (axes === undefined || steps === undefined) return undefined;
  const all = dims.map((dim): Cut => ({ start: 0, step: 1, count: dim }));
  for (const [index, given] of axes.entries()) {
    const axis = axisOf(given, dims.length);
    const [start, end, step] = [starts[index], ends[index], steps[index]];
    if (axis === undefined || start === undefined || end === undefined || step === undefined || step === 0)
      return undefined;
    all[axis] = cutOf(dims[axis] as number, { start, end, step });
  }
  return all;
}

function cutOf(dim: number, { start, end, step }: { start: number; end: number; step: number }): Cut {
  const clamp = (x: number, least: number, most: number) => Math.min(Math.max(x < 0 ? x + dim : x, least), most);
  const first = step > 0 ? clamp(start, 0, dim) : clamp(start, 0, dim - 1);
  const last = step > 0 ? clamp(end, 0, dim) : clamp(end, -1, dim - 1);
  return { start: first, step, count: Math.max(0, Math.ceil((last - first) / step)) };
}

const slice: Operator = {
  infer(context) {
    const [x] = context.inputs;
    const all = x && cuts(context, x.dims);
    return (
      x &&
      all && [
        shape(
          x.type,
          all.map(({ count }) => count),
        ),
      ]
    );
  },
  compute({ node, opset, inputs, elements, outputs: [out] }) {
    const { dims } = inputs[0] as TensorShape;
    const all = cuts({ node, opset, inputs, elements: (input) => elements[input] }, dims) as Cut[];
    const strides = stridesOf(dims);
    const start = all.reduce((sum, cut, axis) => sum + cut.start * (strides[axis] as number), 0);
    const result = new Float64Array(elementsOf((out as TensorShape).dims));
    walk(
      (out as TensorShape).dims,
      [strides.map((stride, axis) => stride * (all[axis] as Cut).step)],
      (index, [offset]) => {
        result[index] = (elements[0] as Elements)[start + (offset as number)] as number;
      },
    );
    return [result];
  },
};

const range: Operator = {
  infer({ inputs: [from], elements }) {
    const [start, end, step] = [elements(0)?.[0], elements(1)?.[0], elements(2)?.[0]];
    if (from === undefined || start === undefined || end === undefined || step === undefined) return undefined;
    const count = Math.max(0, Math.ceil((end - start) / step));
    return count <= MAX_MADE ? [shape(from.type, [count])] : undefined;
  },
  compute: ({ elements: [start, , step], outputs: [out] }) => [
    Float64Array.from(
      { length: (out as TensorShape).dims[0] as number },
      (_, index) => (start?.[0] as number) + index * (step?.[0] as number),
    ),
  ],
};

const constantOfShape: Operator = {
  infer({ node, elements }) {
    const value = node.attributes.get('value');
    const dims = elements(0);
    if (dims?.some((dim) => !Number.isInteger(dim) || dim < 0) !== false) return undefined;
    return [shape(value?.kind === 'tensor' ? value.tensor.type : 'float32', [...dims])];
  },
  compute({ node, outputs: [out] }) {
    const value = node.attributes.get('value');
    const bytes = value?.kind === 'tensor' ? value.tensor.place.bytes : undefined;
    const fill = value?.kind === 'tensor' ? bytes && decode(value.tensor.type, bytes)[0] : 0;
    if (fill === undefined) return [undefined];
    return [new Float64Array(elementsOf((out as TensorShape).dims)).fill(fill)];
  },
};

const constant: Operator = {
  infer({ node }) {
    const made = constantOf(node);
    return made && [made.shape];
  },
  compute({ node }) {
    return [constantOf(node)?.elements()];
  },
};

/** What a Constant node holds, in any of the attributes that it may be written with. */
function constantOf(node: SourceNode): { shape: TensorShape; elements: () => Elements | undefined } | undefined {
  for (const attribute of node.attributes.values()) {
    switch (attribute.kind) {
      case 'tensor': {
        const { type, dims, place } = attribute.tensor;
        return { shape: shape(type, dims), elements: () => place.bytes && decode(type, place.bytes) };
      }
      case 'int':
        return { shape: shape('int64', []), elements: () => Float64Array.of(attribute.int) };
      case 'ints':
        return { shape: shape('int64', [attribute.ints.length]), elements: () => Float64Array.from(attribute.ints) };
      case 'float':
        return { shape: shape('float32', []), elements: () => Float64Array.of(attribute.float) };
      case 'floats':
        return {
          shape: shape('float32', [attribute.floats.length]),
          elements: () => Float64Array.from(attribute.floats),
        };
      default:
    }
  }
  return undefined;
}

const trilu: Operator = {
  infer: ({ inputs: [x] }) => x && [x],
  compute({ node, inputs: [x], elements: [from, diagonal] }) {
    const { dims } = x as TensorShape;
    const columns = dims.at(-1) as number;
    const rows = dims.at(-2) as number;
    const k = diagonal?.[0] ?? 0;
    const isUpper = intOf(node, 'upper', 1) === 1;
    return [
      (from as Elements).map((element, index) => {
        const ahead = (index % columns) - (Math.floor(index / columns) % rows);
        return (isUpper ? ahead >= k : ahead <= k) ? element : 0;
      }),
    ];
  },
};

const scatterNd: Operator = {
  infer: ({ inputs: [x] }) => x && [x],
  compute({ node, inputs: [x, indexes], elements: [from, at, updates] }) {
    if (textOf(node, 'reduction', 'none') !== 'none') return [undefined];
    const strides = stridesOf((x as TensorShape).dims);
    const depth = (indexes as TensorShape).dims.at(-1) as number;
    const run = elementsOf((x as TensorShape).dims.slice(depth));
    const result = Float64Array.from(from as Elements);
    for (let entry = 0; entry * depth < (at as Elements).length; entry += 1) {
      let offset = 0;
      for (let axis = 0; axis < depth; axis += 1) {
        const place = (at as Elements)[entry * depth + axis] as number;
        offset += (place < 0 ? place + ((x as TensorShape).dims[axis] as number) : place) * (strides[axis] as number);
      }
      if (!(offset >= 0 && offset + run <= result.length)) return [undefined];
      result.set((updates as Elements).subarray(entry * run, (entry + 1) * run), offset);
    }
    return [result];
  },
};

const cumSum: Operator = {
  infer: ({ inputs: [x] }) => x && [x],
  compute({ node, inputs: [x], elements: [from, along] }) {
    const { dims } = x as TensorShape;
    const axis = axisOf(along?.[0] ?? 0, dims.length);
    if (axis === undefined || intOf(node, 'exclusive', 0) !== 0 || intOf(node, 'reverse', 0) !== 0) return [undefined];
    const stride = stridesOf(dims)[axis] as number;
    const result = Float64Array.from(from as Elements);
    for (let index = 0; index < result.length; index += 1) {
      const place = Math.floor(index / stride) % (dims[axis] as number);
      if (place > 0) result[index] = (result[index] as number) + (result[index - stride] as number);
    }
    return [result];
  },
};

const ofFirst: Operator = { infer: ({ inputs: [x] }) => x && [x] };

export const indexing: OperatorTable = {
  Gather: gather,
  'com.microsoft.GatherBlockQuantized': gatherBlocks,
  GatherElements: gatherElements,
  Slice: slice,
  Range: range,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Trilu: trilu,
  ScatterND: scatterNd,
  ScatterElements: ofFirst,
  CumSum: cumSum,
};
