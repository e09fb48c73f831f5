/** Elements that a column grows by. */
export const SEGMENT = 2 ** 14;
const SEGMENT_BITS = 14;

/**
 * Whole numbers by id, 0 at first. What was foreseen stands in one array; what comes on top gets an array more at a time, so that nothing is ever copied
 * and no call has to wait for a large column to grow.
 *
 *     first   [0 .. foreseen)      more   [foreseen ..) in arrays of SEGMENT
 */
export class Int32Column {
  readonly #first: Int32Array;
  readonly #more: Int32Array[] = [];

  constructor(foreseen: number) {
    this.#first = new Int32Array(foreseen);
  }

  get length(): number {
    return this.#first.length + this.#more.length * SEGMENT;
  }

  get(at: number): number {
    const behind = at - this.#first.length;
    return (behind < 0 ? this.#first[at] : this.#more[behind >> SEGMENT_BITS]?.[behind & (SEGMENT - 1)]) as number;
  }

  set(at: number, value: number): void {
    const behind = at - this.#first.length;
    if (behind < 0) this.#first[at] = value;
    else (this.#more[behind >> SEGMENT_BITS] as Int32Array)[behind & (SEGMENT - 1)] = value;
  }

  /** There is room for ids below `length`. O(new elements), nothing is copied. */
  reserve(length: number): void {
    while (this.length < length) this.#more.push(new Int32Array(SEGMENT));
  }
}

/** As `Int32Column`, for numbers of any kind. Of its own, since the compiler knows best what is in arrays of one kind. */
export class Float64Column {
  readonly #first: Float64Array;
  readonly #more: Float64Array[] = [];

  constructor(foreseen: number) {
    this.#first = new Float64Array(foreseen);
  }

  get(at: number): number {
    const behind = at - this.#first.length;
    return (behind < 0 ? this.#first[at] : this.#more[behind >> SEGMENT_BITS]?.[behind & (SEGMENT - 1)]) as number;
  }

  set(at: number, value: number): void {
    const behind = at - this.#first.length;
    if (behind < 0) this.#first[at] = value;
    else (this.#more[behind >> SEGMENT_BITS] as Float64Array)[behind & (SEGMENT - 1)] = value;
  }

  reserve(length: number): void {
    while (this.#first.length + this.#more.length * SEGMENT < length) this.#more.push(new Float64Array(SEGMENT));
  }
}

/** As `Int32Column`, for objects; undefined at first. */
export class ObjectColumn<Value extends object> {
  readonly #first: (Value | undefined)[];
  readonly #more: (Value | undefined)[][] = [];

  constructor(foreseen: number) {
    this.#first = empty(foreseen);
  }

  get(at: number): Value | undefined {
    const behind = at - this.#first.length;
    return behind < 0 ? this.#first[at] : this.#more[behind >> SEGMENT_BITS]?.[behind & (SEGMENT - 1)];
  }

  set(at: number, value: Value | undefined): void {
    const behind = at - this.#first.length;
    if (behind < 0) this.#first[at] = value;
    else (this.#more[behind >> SEGMENT_BITS] as (Value | undefined)[])[behind & (SEGMENT - 1)] = value;
  }

  reserve(length: number): void {
    while (this.#first.length + this.#more.length * SEGMENT < length) this.#more.push(empty(SEGMENT));
  }
}

/** In its full length at once: what grows by itself is copied now and then. */
function empty(length: number): undefined[] {
  return Array.from({ length }, () => undefined);
}
