/** Columns that grow, and how rows are told apart into few and many. */

/** A column of at least `length` elements: the same one while it is long enough, else one of twice the length with nothing kept. */
export function grown(column: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  return column.length < length ? new Int32Array(2 * length) : column;
}

/** What a level costs beside its products, in rows of a block: its operators take some 100 us a layer. */
const LEVEL_ROWS = 16;

/**
 * The most rows of groups of few, so that groups padded to the largest of their level, few or many, have the least rows in all. `counts`: how many groups
 * have each number of rows up to `rowCount`. Pure. O(rowCount).
 */
export function leastPaddedRows(counts: Int32Array, rowCount: number): number {
  let total = 0;
  let largest = 0;
  for (let rows = 1; rows <= rowCount; rows += 1) {
    if (counts[rows] === 0) continue;
    total += counts[rows] as number;
    largest = rows;
  }
  let best = largest;
  let least = total * largest;
  let few = 0;
  for (let rows = 1; rows < largest; rows += 1) {
    if (counts[rows] === 0) continue;
    few += counts[rows] as number;
    const padded = few * rows + (total - few) * largest + LEVEL_ROWS;
    if (padded >= least) continue;
    least = padded;
    best = rows;
  }
  return best;
}
