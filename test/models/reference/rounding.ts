/**
 * What a product with packed weights is made of. With q8 and q4: weights, in blocks of 32 along a row: whole multiples of a scale from -2^(bits - 1) to
 * 2^(bits - 1) - 1, where the element of largest magnitude is the lowest of them. Activations, in the same blocks: whole multiples from
 * -127 to 127 of a scale. With w8a8: rows of weights and of activations, each as whole multiples from -127 to 127 of one scale. With q4+w8a8, in a step of many
 * rows: the same of what q4 makes of the weights, but from -120 to 120; in one of few rows: q4.
 */
import type { Rounding } from './tensors.ts';

const BLOCK = 32;

export type PackedFormat = 'q8' | 'q4' | 'w8a8' | 'q4+w8a8';

/** Rows from which on a step has many. */
const MANY_ROWS = 6;

/** What a step of so many rows multiplies with. */
export function roundedTo(format: PackedFormat, rowCount: number): Rounding {
  if (format === 'q4+w8a8') {
    const few = roundedTo('q4', rowCount);
    if (rowCount < MANY_ROWS) return few;
    const codes = ofRows(120);
    // As floats of 32 bits: what is rounded a second time are not the products of codes and scales themselves.
    return {
      ...codes,
      matrix: (matrix, columns) => codes.matrix(few.matrix(matrix, columns).map(Math.fround), columns),
    };
  }
  if (format === 'w8a8') return ofRows(127);
  const bits = format === 'q4' ? 4 : 8;
  const lowest = -(2 ** (bits - 1));
  const weights = (block: Float64Array) => {
    const extreme = block.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0);
    const scale = Math.fround(extreme / lowest);
    const level = (x: number) => (scale === 0 ? 0 : Math.min(-lowest - 1, Math.max(lowest, Math.round(x / scale))));
    return block.map((x) => level(x) * scale);
  };
  return {
    matrix: (matrix, columns) => {
      const rounded = new Float64Array(matrix.length);
      for (let row = 0; row < matrix.length; row += columns)
        rounded.set(inBlocks(matrix.slice(row, row + columns), weights), row);
      return rounded;
    },
    row: (row) => inBlocks(row, (block) => steps(block)),
  };
}

/** Matrices of which each row has one scale, and codes from -most to most; activations likewise, to 127. */
function ofRows(most: number): Rounding {
  // Scales of weights are stored in 32 bits, and codes are of what is stored.
  const stored = (row: Float64Array) => steps(row, { most, keep: Math.fround });
  return { matrix: (matrix, columns) => inBlocks(matrix, stored, columns), row: (row) => steps(row) };
}

/** Multiples of a share of the largest magnitude: usually of a 127th. */
function steps(block: Float64Array, { most = 127, keep = (scale: number) => scale } = {}): Float64Array {
  const scale = keep(block.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0) / most);
  return block.map((x) => (scale === 0 ? 0 : Math.round(x / scale) * scale));
}

function inBlocks(row: Float64Array, round: (block: Float64Array) => Float64Array, width = BLOCK): Float64Array {
  const rounded = new Float64Array(row.length);
  for (let from = 0; from < row.length; from += width) rounded.set(round(row.slice(from, from + width)), from);
  return rounded;
}
