/** What every attention of the graph computes, in the terms of the paged-attention node. */
import { GraphError } from '../errors.ts';
import type { Analysis, AttentionSite } from './analysis.ts';
import type { SourceDim } from './probes.ts';

/** Rows of queries, keys or values: how to see a value as [rows, width]. */
export interface RowsView {
  readonly name: string;
  /** One axis is 'M'; the others, in their order, are the width. */
  readonly dims: readonly SourceDim[];
  readonly row: number;
  /** Columns [first, first + width) of what is seen, for packed projections. */
  readonly columns?: { readonly first: number; readonly width: number };
  /** Added to each row: a part of this constant. */
  readonly bias?: { readonly name: string; readonly first: number };
}

/** Rotation inside an attention node. */
export interface RotationView {
  readonly cosines: string;
  readonly sines: string;
  readonly isInterleaved: boolean;
  /** Of the head size, the part that is rotated. */
  readonly rotatedDim: number;
}

export interface ResolvedAttention {
  readonly layer: number;
  readonly heads: number;
  readonly scale: number;
  /** Positions that a row sees, its own included; undefined: all. */
  readonly window: number | undefined;
  readonly softCap: number | undefined;
  readonly queries: RowsView;
  readonly keys: RowsView;
  readonly values: RowsView;
  readonly rotation: RotationView | undefined;
  /** What the attention gives, and how its rows lie. */
  readonly output: RowsView;
}

export function viewOf(analysis: Analysis, name: string): RowsView {
  const { dims, row } = analysis.fact(name);
  return { name, dims, row: row ?? dims.indexOf('M') };
}

/** Columns of a row; NaN when they are not known. */
export function widthOf({ dims, row }: RowsView): number {
  return dims.reduce<number>((product, dim, axis) => (axis === row ? product : product * (dim as number)), 1);
}

export function notAttention(analysis: Analysis, site: AttentionSite, expected: string): GraphError {
  const { label, operator } = site.node;
  const { file } = analysis.graph;
  const message = `${file}: node ${label} (${operator}) is not attention as it is known: expected ${expected}`;
  return new GraphError('ONNX_UNSUPPORTED', message, { file, node: label });
}
