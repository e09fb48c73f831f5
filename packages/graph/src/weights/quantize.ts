/**
 * Symmetric quantisation in blocks along a row, in the layout of `MatMulNBits` (ContribOperators.md of onnxruntime): a block's scale is its
 * element of largest magnitude / -2^(bits - 1), so that this element is met exactly by the code 0; a code is round(x / scale) + 2^(bits - 1).
 */

/** Columns of a matrix that share a scale: the finest that the runtime has, and one whose rows do not depend on how many there are. */
export const QUANTIZED_BLOCK = 32;

export interface QuantizedLayout {
  readonly columns: number;
  /** Columns that share a scale. */
  readonly block: number;
  readonly bits: 4 | 8;
}

export interface QuantizedRows {
  /** [rows, blocks, block x bits / 8]; of two 4-bit codes in a byte, the first is the lower one. */
  readonly codes: Uint8Array;
  /** [rows, blocks] */
  readonly scales: Float32Array;
}

/** Blocks of a row; the last may be padded. */
export function blocksOf(layout: QuantizedLayout): number {
  return Math.ceil(layout.columns / layout.block);
}

/** Bytes of codes of a row. */
export function codeBytesOf(layout: QuantizedLayout): number {
  return (blocksOf(layout) * layout.block * layout.bits) / 8;
}

/**
 * Quantises rows [rows, columns] into `into`. Returns the index of the first block that holds an infinity or NaN, or undefined.
 * A padded last block gets codes for 0.
 */
export function quantizeRows(rows: Float32Array, layout: QuantizedLayout, into: QuantizedRows): number | undefined {
  const { columns, block } = layout;
  const blocks = blocksOf(layout);
  const rowCount = rows.length / columns;
  const write = layout.bits === 4 ? writeNibbles : writeBytes;
  const codesABlock = (block * layout.bits) / 8;
  for (let row = 0; row < rowCount; row += 1) {
    for (let index = 0; index < blocks; index += 1) {
      const begin = row * columns + index * block;
      const end = Math.min(begin + block, (row + 1) * columns);
      const at = row * blocks + index;
      const scale = extremeOf(rows, begin, end) / -(1 << (layout.bits - 1));
      if (!Number.isFinite(scale)) return at;
      into.scales[at] = scale;
      // Divided in double by the scale as it is stored, so that rounding to float32 is part of what the codes make up for.
      const stored = into.scales[at] as number;
      write(
        rows,
        { begin, end, inverse: stored === 0 ? 0 : 1 / stored },
        into.codes.subarray(at * codesABlock, (at + 1) * codesABlock),
      );
    }
  }
  return undefined;
}

/**
 * Effect: elements become what `quantizeRows` would let stand for them. In a block that holds an infinity or NaN none is finite afterwards, so that whoever
 * rounds them next finds it.
 */
export function roundInBlocks(rows: Float32Array, { columns, block, bits }: QuantizedLayout): void {
  const zero = 1 << (bits - 1);
  for (let row = 0; row < rows.length; row += columns) {
    for (let begin = row; begin < row + columns; begin += block) {
      const end = Math.min(begin + block, row + columns);
      const scale = Math.fround(extremeOf(rows, begin, end) / -zero);
      const inverse = scale === 0 ? 0 : 1 / scale;
      for (let at = begin; at < end; at += 1) {
        rows[at] = Number.isFinite(scale) ? (codeOf((rows[at] as number) * inverse, zero) - zero) * scale : Number.NaN;
      }
    }
  }
}

/** Largest code of a row that has one scale: symmetric, so that 0 is met exactly and a negated row has negated codes. */
const MOST_CODE = 127;

/**
 * The same for rows that were rounded to 4 bits before, whose largest element is 8 steps of its block: a multiple of 8, so that blocks with the row's
 * largest scale are met exactly. With 127 only 0 and the largest would be.
 */
export const MOST_CODE_OF_4_BITS = 120;

export interface QuantizedColumns {
  readonly codes: Int8Array | Uint8Array;
  /** The code of 0: 0 for signed codes, 128 for unsigned ones. */
  readonly zero: number;
  readonly firstColumn: number;
  readonly scales: Float32Array;
  /** Distance from `zero`. Default 127. */
  readonly mostCode?: number;
}

/**
 * Quantises rows [rows, columns] with one scale each into columns `firstColumn`... of `codes` [columns, codes.length / columns]: a row becomes a column.
 * Scales are such that element = (code - zero) x scale. Returns the index of the first row that holds an infinity or NaN, or undefined.
 */
export function quantizeColumns(rows: Float32Array, columns: number, into: QuantizedColumns): number | undefined {
  const { codes, zero, firstColumn, scales, mostCode = MOST_CODE } = into;
  const width = codes.length / columns;
  for (let row = 0; row < rows.length / columns; row += 1) {
    const begin = row * columns;
    const scale = Math.abs(extremeOf(rows, begin, begin + columns)) / mostCode;
    if (!Number.isFinite(scale)) return row;
    scales[row] = scale;
    const stored = scales[row] as number;
    const inverse = stored === 0 ? 0 : 1 / stored;
    let at = firstColumn + row;
    for (let column = 0; column < columns; column += 1, at += width) {
      const code = Math.round((rows[begin + column] as number) * inverse);
      codes[at] = zero + Math.max(-mostCode, Math.min(mostCode, code));
    }
  }
  return undefined;
}

/** The element of largest magnitude, with its sign; NaN when there is one. */
function extremeOf(rows: Float32Array, begin: number, end: number): number {
  let extreme = 0;
  let magnitude = 0;
  for (let at = begin; at < end; at += 1) {
    const x = rows[at] as number;
    const absolute = Math.abs(x);
    if (absolute > magnitude) {
      magnitude = absolute;
      extreme = x;
    } else if (Number.isNaN(absolute)) return absolute;
  }
  return extreme;
}

interface BlockRange {
  readonly begin: number;
  readonly end: number;
  readonly inverse: number;
}

function writeBytes(rows: Float32Array, { begin, end, inverse }: BlockRange, codes: Uint8Array): void {
  codes.fill(128);
  for (let at = begin; at < end; at += 1) codes[at - begin] = codeOf((rows[at] as number) * inverse, 128);
}

function writeNibbles(rows: Float32Array, { begin, end, inverse }: BlockRange, codes: Uint8Array): void {
  codes.fill(0x88);
  for (let at = begin; at < end; at += 2) {
    const low = codeOf((rows[at] as number) * inverse, 8);
    const high = at + 1 < end ? codeOf((rows[at + 1] as number) * inverse, 8) : 8;
    codes[(at - begin) >> 1] = low | (high << 4);
  }
}

/** round(x) + zero, kept within [0, 2 x zero). */
function codeOf(x: number, zero: number): number {
  const code = Math.floor(x + zero + 0.5);
  return code < 0 ? 0 : code >= 2 * zero ? 2 * zero - 1 : code;
}
