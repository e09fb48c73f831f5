/** Growth of reused columns: doubling, so that after warm-up nothing is allocated. */

/** A column of at least `length` numbers that keeps what `column` held; `column` itself when it is long enough. */
export function grownInt32(column: Int32Array, length: number): Int32Array {
  if (column.length >= length) return column;
  const grown = new Int32Array(Math.max(length, column.length * 2));
  grown.set(column);
  return grown;
}

/** As `grownInt32`, for flags. */
export function grownUint8(column: Uint8Array, length: number): Uint8Array {
  if (column.length >= length) return column;
  const grown = new Uint8Array(Math.max(length, column.length * 2));
  grown.set(column);
  return grown;
}
