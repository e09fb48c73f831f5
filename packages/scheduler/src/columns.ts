/** Growth of reused columns: doubling, so that after warm-up nothing is allocated. */

/** A column before its first use. */
export const NO_INT32: Int32Array = new Int32Array(0);
export const NO_FLAGS: Uint8Array = new Uint8Array(0);

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
