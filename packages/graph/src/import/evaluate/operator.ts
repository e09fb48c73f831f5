/** What the evaluation of one operator consists of. */
import type { ElementType } from '../../ir/graph.ts';
import type { SourceNode } from '../source-graph.ts';
import type { Elements, TensorShape } from './tensor.ts';

export interface InferContext {
  readonly node: SourceNode;
  readonly opset: number;
  /** One an input; undefined: left out, or unknown. */
  readonly inputs: readonly (TensorShape | undefined)[];
  /** Elements of an input; undefined when they depend on what is not known. */
  elements(input: number): Elements | undefined;
}

export interface ComputeContext {
  readonly node: SourceNode;
  readonly opset: number;
  readonly inputs: readonly (TensorShape | undefined)[];
  /** One an input that is there. */
  readonly elements: readonly (Elements | undefined)[];
  /** What `infer` said of the outputs. */
  readonly outputs: readonly (TensorShape | undefined)[];
}

export interface Operator {
  /** Types and extents of the outputs; undefined: unknown. Pure. */
  infer(context: InferContext): readonly (TensorShape | undefined)[] | undefined;
  /** Elements of the outputs; absent for operators that are never evaluated. Every input that is there has elements. Pure. */
  compute?(context: ComputeContext): readonly (Elements | undefined)[];
}

export type OperatorTable = Readonly<Record<string, Operator>>;

export function shape(type: ElementType, dims: readonly number[]): TensorShape {
  return { type, dims };
}

/** Rounds to what the type can hold. Pure. */
export function rounding(type: ElementType): (element: number) => number {
  if (type === 'float32' || type === 'float16' || type === 'bfloat16') return Math.fround;
  if (type === 'float64') return (element) => element;
  if (type === 'bool') return (element) => (element === 0 ? 0 : 1);
  return Math.trunc;
}
