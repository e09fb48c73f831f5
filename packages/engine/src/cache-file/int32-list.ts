/** Integers that become more without being moved: an array that doubles stops everything for as long as its copy takes. */
export class Int32List {
  static readonly #BITS = 14;
  static readonly #CHUNK = 2 ** Int32List.#BITS;
  readonly #chunks: Int32Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length % Int32List.#CHUNK === 0) this.#chunks.push(new Int32Array(Int32List.#CHUNK));
    this.#length += 1;
    this.set(this.#length - 1, value);
  }

  /** An element that was pushed. O(1). */
  get(at: number): number {
    return this.#chunk(at)[at % Int32List.#CHUNK] as number;
  }

  set(at: number, value: number): void {
    this.#chunk(at)[at % Int32List.#CHUNK] = value;
  }

  #chunk(at: number): Int32Array {
    return this.#chunks[at >> Int32List.#BITS] as Int32Array;
  }
}
