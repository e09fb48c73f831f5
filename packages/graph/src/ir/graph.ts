/**
 * The intermediate representation: values with symbolic shapes, operators, and one abstract node, attention over pages.
 * An architecture builds a graph with abstract nodes; `lowering/` replaces them by operators; `onnx/` writes what is left.
 */

export type ElementType =
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'float64'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'int8'
  | 'uint4'
  | 'int4'
  | 'bool';

/** Bytes of one element; of four bits, two lie in a byte. */
export const elementBytes: Readonly<Record<ElementType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  int32: 4,
  int64: 8,
  uint8: 1,
  int8: 1,
  uint4: 0.5,
  int4: 0.5,
  bool: 1,
};

/** A number, or the name of a quantity that is known only when the graph runs ('M': rows of the step). */
export type Dim = number | string;

export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dim[];
}

export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly text: string }
  | { readonly tensor: TensorAttribute }
  | { readonly branch: Branch };

/** A small tensor that belongs to a node. */
export interface TensorAttribute {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
}

/** '' is the ONNX standard domain. */
export type OperatorDomain = '' | 'com.microsoft';

export interface OperatorNode {
  readonly kind: 'operator';
  readonly operator: string;
  readonly domain: OperatorDomain;
  /** null: an optional input that is left out. */
  readonly inputs: readonly (Value | null)[];
  /** null: an optional output that nobody reads. */
  readonly outputs: readonly (Value | null)[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/**
 * Attention of the step's rows to the pages of their past, to earlier rows of their chunk, and to themselves. Which rows read which
 * pages comes from the step's inputs (see step-interface.ts), so the node has none for it.
 */
export interface PagedAttentionNode {
  readonly kind: 'paged-attention';
  readonly layer: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** What query-key products are multiplied with. */
  readonly scale: number;
  /** Tokens that a row sees, its own included: key j and query i with 0 <= i - j < window. Absent: the whole past. */
  readonly window?: number;
  /** Scores become softcap x tanh(score / softcap), before masks. Absent: they stay as they are. */
  readonly softcap?: number;
  /** [1, M, heads x headDim], after rotation. */
  readonly queries: Value;
  /** [1, M, kvHeads x headDim], after rotation. */
  readonly keys: Value;
  /** [1, M, kvHeads x headDim] */
  readonly values: Value;
  /** [1, M, heads x headDim] */
  readonly output: Value;
}

export type GraphNode = OperatorNode | PagedAttentionNode;

/** One side of an `If`: it may read every value defined before the `If`. */
export interface Branch {
  readonly nodes: readonly GraphNode[];
  readonly outputs: readonly Value[];
}

/** A small tensor that is written into the graph file itself. */
export interface Constant {
  readonly value: Value;
  readonly bytes: Uint8Array;
}

/** Where the bytes of a weight come from. */
export type WeightSource =
  /** The tensor as it is stored; the weight's type is the stored one. */
  | { readonly kind: 'stored'; readonly tensor: string }
  /** The tensor's elements widened to float32, plus a number. */
  | { readonly kind: 'widened'; readonly tensor: string; readonly plus?: number }
  /** Codes or scales of tensors [out, in] (transposed: stored as [in, out]) stacked along `out` and quantised in blocks along `in`. */
  | {
      readonly kind: 'quantized';
      readonly tensors: readonly string[];
      readonly transposed?: boolean;
      readonly bits: 4 | 8;
      readonly part: QuantizedPart;
    }
  /** Codes [in, out] or scales [out] of tensors [out, in] (transposed: stored as [in, out]) stacked along `out`, with one scale for each output. */
  | {
      readonly kind: 'quantized-columns';
      readonly tensors: readonly string[];
      readonly transposed?: boolean;
      /** Codes are unsigned bytes, the code of 0 being 128. */
      readonly unsigned: boolean;
      /** What is rounded are not the stored elements, but what their codes in blocks of so many bits stand for. */
      readonly throughBits?: 4 | undefined;
      readonly part: QuantizedPart;
    }
  /** Float32 vectors, one after the other. */
  | { readonly kind: 'stacked'; readonly tensors: readonly string[] }
  /** Bytes of an imported tensor; what they are is known to the import alone. */
  | { readonly kind: 'imported' }
  /** Row r of a float32 table. */
  | { readonly kind: 'computed'; readonly fillRow: (row: number, into: Float32Array) => void };

export type QuantizedPart = 'codes' | 'scales';

/** A tensor that is kept in a file beside the graph. */
export interface Weight {
  readonly value: Value;
  readonly source: WeightSource;
}

export interface Graph {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly constants: readonly Constant[];
  readonly weights: readonly Weight[];
  readonly nodes: readonly GraphNode[];
}
