/** Operators as functions of values: each appends one node and works out the shape of what comes out. */
import type { GraphBuilder } from './builder.ts';
import type { Branch, Dim, ElementType, Value } from './graph.ts';

/** Shape after broadcasting; a symbolic dimension wins over 1. */
export function broadcast(a: readonly Dim[], b: readonly Dim[]): Dim[] {
  const rank = Math.max(a.length, b.length);
  const shape: Dim[] = [];
  for (let axis = 0; axis < rank; axis += 1) {
    const left = a[a.length - rank + axis] ?? 1;
    const right = b[b.length - rank + axis] ?? 1;
    shape.push(left === 1 ? right : left);
  }
  return shape;
}

function binary(operator: string) {
  return (graph: GraphBuilder, left: Value, right: Value, name?: string): Value =>
    graph.call({ operator, inputs: [left, right] }, left.type, broadcast(left.shape, right.shape), name);
}

export const add = binary('Add');
export const subtract = binary('Sub');
export const multiply = binary('Mul');
export const divide = binary('Div');
/** The larger of two, element by element. */
export const larger = binary('Max');

function comparison(operator: string) {
  return (graph: GraphBuilder, left: Value, right: Value): Value =>
    graph.call({ operator, inputs: [left, right] }, 'bool', broadcast(left.shape, right.shape));
}

export const less = comparison('Less');
export const equal = comparison('Equal');
export const and = comparison('And');
export const or = comparison('Or');

export function not(graph: GraphBuilder, x: Value): Value {
  return graph.call({ operator: 'Not', inputs: [x] }, 'bool', x.shape);
}

export function where(graph: GraphBuilder, condition: Value, yes: Value, no: Value): Value {
  const shape = broadcast(condition.shape, broadcast(yes.shape, no.shape));
  return graph.call({ operator: 'Where', inputs: [condition, yes, no] }, yes.type, shape);
}

export function log(graph: GraphBuilder, x: Value): Value {
  return graph.call({ operator: 'Log', inputs: [x] }, x.type, x.shape);
}

export function tanh(graph: GraphBuilder, x: Value): Value {
  return graph.call({ operator: 'Tanh', inputs: [x] }, x.type, x.shape);
}

export function absolute(graph: GraphBuilder, x: Value): Value {
  return graph.call({ operator: 'Abs', inputs: [x] }, x.type, x.shape);
}

/** To the nearest whole number, halves to the even one. */
export function round(graph: GraphBuilder, x: Value): Value {
  return graph.call({ operator: 'Round', inputs: [x] }, x.type, x.shape);
}

export function softmax(graph: GraphBuilder, x: Value, axis: number): Value {
  return graph.call({ operator: 'Softmax', inputs: [x], attributes: { axis: { int: axis } } }, x.type, x.shape);
}

function reductionOfLast(operator: string) {
  return (graph: GraphBuilder, x: Value): Value =>
    graph.call({ operator, inputs: [x, graph.ints([-1])] }, x.type, [...x.shape.slice(0, -1), 1]);
}

/** Maximum over the last axis, which stays as 1. */
export const maxOfLast = reductionOfLast('ReduceMax');
/** Sum over the last axis, which stays as 1. */
export const sumOfLast = reductionOfLast('ReduceSum');

/** Elements of `x` along `axis` chosen by `indexes`. */
export function gather(graph: GraphBuilder, x: Value, indexes: Value, axis: number): Value {
  const shape = [...x.shape.slice(0, axis), ...indexes.shape, ...x.shape.slice(axis + 1)];
  return graph.call({ operator: 'Gather', inputs: [x, indexes], attributes: { axis: { int: axis } } }, x.type, shape);
}

/** Place of the largest element of the last axis, the first on a tie; the axis goes. int64 */
export function argMax(graph: GraphBuilder, x: Value): Value {
  const attributes = { axis: { int: -1 }, keepdims: { int: 0 } };
  return graph.call({ operator: 'ArgMax', inputs: [x], attributes }, 'int64', x.shape.slice(0, -1));
}

/** Of x [n, m, ..] the part that each row's index chooses, int64 [n, 1]: [n, ..] */
export function gatherEach(graph: GraphBuilder, x: Value, indexes: Value): Value {
  const attributes = { batch_dims: { int: 1 } };
  const shape = [x.shape[0] ?? 1, ...x.shape.slice(2)];
  return graph.call({ operator: 'GatherND', inputs: [x, indexes], attributes }, x.type, shape);
}

export interface ReshapeTarget {
  /** As in ONNX: 0 keeps the dimension, one -1 takes what is left. */
  readonly to: readonly number[] | Value;
  /** The shape that results. */
  readonly shape: readonly Dim[];
}

export function reshape(graph: GraphBuilder, x: Value, target: ReshapeTarget, name?: string): Value {
  const to = 'name' in target.to ? target.to : graph.ints(target.to);
  return graph.call({ operator: 'Reshape', inputs: [x, to] }, x.type, target.shape, name);
}

export function transpose(graph: GraphBuilder, x: Value, order: readonly number[]): Value {
  const shape = order.map((axis) => x.shape[axis] ?? 1);
  return graph.call({ operator: 'Transpose', inputs: [x], attributes: { perm: { ints: order } } }, x.type, shape);
}

export function concat(
  graph: GraphBuilder,
  parts: readonly Value[],
  target: { axis: number; shape: readonly Dim[] },
  name?: string,
): Value {
  const type = parts[0]?.type ?? 'float32';
  return graph.call(
    { operator: 'Concat', inputs: parts, attributes: { axis: { int: target.axis } } },
    type,
    target.shape,
    name,
  );
}

/** Cuts the last axis into parts of the given widths (int64, one a part). */
export function split(
  graph: GraphBuilder,
  x: Value,
  parts: { widths: Value; shapes: readonly (readonly Dim[])[] },
): Value[] {
  const outputs = parts.shapes.map((shape) => graph.declare('Split', x.type, shape));
  graph.append({ operator: 'Split', inputs: [x, parts.widths], attributes: { axis: { int: -1 } } }, outputs);
  return outputs;
}

/** Cuts the last axis into parts of widths that are known. */
export function splitLast(graph: GraphBuilder, x: Value, widths: readonly number[]): Value[] {
  return split(graph, x, {
    widths: graph.ints(widths),
    shapes: widths.map((width) => [...x.shape.slice(0, -1), width]),
  });
}

export function expand(graph: GraphBuilder, x: Value, target: { to: Value; shape: readonly Dim[] }): Value {
  return graph.call({ operator: 'Expand', inputs: [x, target.to] }, x.type, target.shape);
}

export function cast(graph: GraphBuilder, x: Value, type: ElementType, name?: string): Value {
  return graph.call(
    { operator: 'Cast', inputs: [x], attributes: { to: { int: onnxElementType[type] } } },
    type,
    x.shape,
    name,
  );
}

/** int64 0, 1, ... below a number given as int64 [1]; `dim` names it. */
export function range(graph: GraphBuilder, end: Value, dim: string): Value {
  const limit = reshape(graph, end, { to: [], shape: [] });
  return graph.call({ operator: 'Range', inputs: [graph.int(0), limit, graph.int(1)] }, 'int64', [dim]);
}

/** One dimension of `x` as an int64 tensor [1]. */
export function dimension(graph: GraphBuilder, x: Value, axis: number): Value {
  const attributes = { start: { int: axis }, end: { int: axis + 1 } };
  return graph.call({ operator: 'Shape', inputs: [x], attributes }, 'int64', [1]);
}

export interface MatrixProduct {
  readonly left: Value;
  readonly right: Value;
  /** What the product is multiplied with. */
  readonly alpha?: number;
  readonly shape: readonly Dim[];
}

/** alpha x left x right^T over the last two axes. */
export function multiplyTransposed(graph: GraphBuilder, product: MatrixProduct): Value {
  const attributes = { transB: { int: 1 }, alpha: { float: product.alpha ?? 1 } };
  const inputs = [product.left, product.right];
  return graph.call({ operator: 'FusedMatMul', domain: 'com.microsoft', inputs, attributes }, 'float32', product.shape);
}

/** left x right over the last two axes. */
export function multiplyMatrices(graph: GraphBuilder, product: Omit<MatrixProduct, 'alpha'>): Value {
  return graph.call({ operator: 'MatMul', inputs: [product.left, product.right] }, 'float32', product.shape);
}

/** A copy of a value under a new name: what a branch has to give out when it computes nothing. */
export function identity(graph: GraphBuilder, x: Value): Value {
  return graph.call({ operator: 'Identity', inputs: [x] }, x.type, x.shape);
}

export interface Choice {
  /** bool [1] */
  readonly condition: Value;
  readonly yes: Branch;
  readonly no: Branch;
}

/** Runs one of two branches; the outputs are described by `yes`. */
export function choose(graph: GraphBuilder, choice: Choice): Value[] {
  const outputs = choice.yes.outputs.map((value) => graph.declare('If', value.type, value.shape));
  const attributes = { then_branch: { branch: choice.yes }, else_branch: { branch: choice.no } };
  graph.append({ operator: 'If', inputs: [choice.condition], attributes }, outputs);
  return outputs;
}

/** Numbers of TensorProto.DataType in onnx.proto. */
export const onnxElementType: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
  uint4: 21,
  int4: 22,
};
