/** An ONNX file as it was read: nodes in an order in which they can run, initializers where they lie. Nothing here is a promise: only names and lengths were checked. */
import type { ElementType } from '../ir/graph.ts';
import type { WeightFile } from '../weights/weight-files.ts';

/** Where a tensor's bytes are: in memory, or a part of a file, or both (bytes of the ONNX file itself). */
export interface TensorPlace {
  readonly bytes: Uint8Array | undefined;
  readonly file: WeightFile | undefined;
  /** Of the first byte in `file`. */
  readonly offset: number;
  /** Makes the bytes, where they are in no file. */
  readonly make?: () => Uint8Array;
}

export interface SourceTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly byteLength: number;
  readonly place: TensorPlace;
}

export type SourceAttribute =
  | { readonly kind: 'int'; readonly int: number }
  | { readonly kind: 'float'; readonly float: number }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'ints'; readonly ints: readonly number[] }
  | { readonly kind: 'floats'; readonly floats: readonly number[] }
  | { readonly kind: 'tensor'; readonly tensor: SourceTensor }
  /** A sub-graph, list of texts and the like: known to be there, not read. */
  | { readonly kind: 'other' };

export interface SourceNode {
  /** Its name, or its operator and first output where it has none: what messages call it. */
  readonly label: string;
  readonly operator: string;
  /** '' is the standard domain. */
  readonly domain: string;
  /** '' is an input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, SourceAttribute>;
}

/** A graph input or output. */
export interface SourceValue {
  readonly name: string;
  /** undefined: a type that this package does not know. */
  readonly type: ElementType | undefined;
  /** undefined: no shape was given. Names of dimensions mean nothing. */
  readonly dims: readonly (number | string)[] | undefined;
}

export interface SourceGraph {
  /** As messages call it. */
  readonly file: string;
  readonly opset: number;
  readonly inputs: readonly SourceValue[];
  readonly outputs: readonly SourceValue[];
  readonly initializers: ReadonlyMap<string, SourceTensor>;
  /** In an order in which every node follows those that it reads. */
  readonly nodes: readonly SourceNode[];
  /** The file holds a second way to run, which was left out (chosen-branch.ts). */
  readonly isMerged?: boolean;
  /** The ONNX file, and files with external data. */
  readonly files: readonly WeightFile[];
}

/** Elements of a shape. Pure. */
export function elementsOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

export function intOf(node: SourceNode, name: string, fallback: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' ? attribute.int : fallback;
}

export function floatOf(node: SourceNode, name: string, fallback: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'float' ? attribute.float : fallback;
}

export function intsOf(node: SourceNode, name: string): readonly number[] | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'ints' ? attribute.ints : undefined;
}

export function textOf(node: SourceNode, name: string, fallback: string): string {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'text' ? attribute.text : fallback;
}
