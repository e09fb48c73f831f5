const SMALLEST_LENGTH = 4;

/**
 * Lends out Int32Arrays of power-of-two lengths and takes them back, so that page tables and child lists
 * cost no allocation once the cache is warm. A lent array holds old contents: the borrower keeps its own count.
 */
export class Int32Recycler {
  /** [log2(length)] arrays that nobody uses. */
  readonly #spare: Int32Array[][] = Array.from({ length: 32 }, () => []);

  /** An array of at least `minimum` elements, contents undefined. O(1) when one is spare. */
  take(minimum: number): Int32Array {
    const length = minimum <= SMALLEST_LENGTH ? SMALLEST_LENGTH : 2 ** (32 - Math.clz32(minimum - 1));
    return this.#spareOf(length).pop() ?? new Int32Array(length);
  }

  /** A longer array with the first `kept` elements of `array`, which is taken back. O(kept). */
  grow(array: Int32Array, kept: number, minimum: number): Int32Array {
    const longer = this.take(minimum);
    // One by one: a subarray to copy from would be one more object.
    for (let at = 0; at < kept; at++) longer[at] = array[at] as number;
    this.give(array);
    return longer;
  }

  /** Takes an array back that `take` or `grow` lent. Nobody may use it afterwards. O(1). */
  give(array: Int32Array): void {
    this.#spareOf(array.length).push(array);
  }

  #spareOf(length: number): Int32Array[] {
    return this.#spare[31 - Math.clz32(length)] as Int32Array[];
  }
}
