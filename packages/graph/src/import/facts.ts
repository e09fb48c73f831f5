/** What is known of every value: its extents, which axis holds the rows of the step, and what it depends on. */
import type { ElementType } from '../ir/graph.ts';
import type { SourceDim } from './probes.ts';

/** Bits: what the elements of a value follow from, besides constants. */
export const depends = {
  tokens: 1,
  positions: 2,
  mask: 4,
  past: 8,
  /** The number of new rows, as a number. */
  rowCount: 16,
  /** The number of past tokens. */
  pastCount: 32,
} as const;

/** What a kept value must not follow from: it would differ for rows of another sequence in the same step. */
export const FOREIGN = depends.mask | depends.past | depends.rowCount | depends.pastCount;

export interface Fact {
  readonly type: ElementType;
  readonly dims: readonly SourceDim[];
  /** undefined: the same for all rows. */
  readonly row: number | undefined;
  readonly depends: number;
  /** The layer whose attention this is inside of. */
  readonly layer: number | undefined;
  /** The same elements at all sizes. */
  readonly isConstant: boolean;
  /** The rows' positions, whatever they were computed from. */
  readonly isPositions: boolean;
  /** A table cut to the tokens so far: stands for the whole table wherever rows choose from it. */
  readonly isPrefix: boolean;
  /** Why the value cannot be kept; what was expected of its node instead. */
  readonly fault: string | undefined;
}

export const noFact: Fact = {
  type: 'float32',
  dims: [],
  row: undefined,
  depends: 0,
  layer: undefined,
  isConstant: false,
  isPositions: false,
  isPrefix: false,
  fault: undefined,
};
