/** Tensors as float32, some rows at a time: a model is never in memory as a whole. */
import { elementBytes } from '../ir/graph.ts';
import { type FloatType, readTensorBytes, type WeightTensor } from './weight-files.ts';

/** Elements read at once: large enough that calls do not count, small enough for caches and for the event loop. */
const ELEMENTS_A_READ = 1 << 20;

/** float32 of each 16-bit float, made on first use: a table of 256 KiB is faster than arithmetic on bits. */
let halfValues: Float32Array | undefined;

/** Some rows of a matrix [rows, columns]; `elements` is reused by the next read. */
export interface FloatRows {
  readonly firstRow: number;
  readonly rowCount: number;
  /** [rowCount, columns] */
  readonly elements: Float32Array;
}

/** Reads a tensor row by row, in runs of rows. The last dimension is the columns; a vector is one row. */
export async function* readFloatRows(tensor: WeightTensor): AsyncGenerator<FloatRows> {
  const columns = tensor.shape.at(-1) ?? 1;
  const rows = columns === 0 ? 0 : tensor.shape.slice(0, -1).reduce((product, dim) => product * dim, 1);
  const rowBytes = columns * elementBytes[tensor.type];
  const rowsARead = Math.min(rows, Math.max(1, Math.floor(ELEMENTS_A_READ / columns)));
  const bytes = new Uint8Array(rowsARead * rowBytes);
  const floats = new Float32Array(rowsARead * columns);
  for (let firstRow = 0; firstRow < rows; firstRow += rowsARead) {
    const rowCount = Math.min(rowsARead, rows - firstRow);
    const read = bytes.subarray(0, rowCount * rowBytes);
    await readTensorBytes(tensor, firstRow * rowBytes, read);
    const elements = floats.subarray(0, rowCount * columns);
    widen(tensor.type, read, elements);
    yield { firstRow, rowCount, elements };
  }
}

/**
 * Reads a matrix [rows, columns] column by column: what comes out are runs of rows of its transpose. The whole matrix is in memory
 * meanwhile, since reading a column of a file is reading all of it.
 */
export async function* readFloatColumns(tensor: WeightTensor): AsyncGenerator<FloatRows> {
  const [rows, columns] = tensor.shape as [number, number];
  const whole = new Float32Array(rows * columns);
  for await (const { firstRow, elements } of readFloatRows(tensor)) whole.set(elements, firstRow * columns);
  const columnsARead = Math.min(columns, Math.max(1, Math.floor(ELEMENTS_A_READ / rows)));
  const floats = new Float32Array(columnsARead * rows);
  for (let firstRow = 0; firstRow < columns; firstRow += columnsARead) {
    const rowCount = Math.min(columnsARead, columns - firstRow);
    for (let row = 0; row < rows; row += 1) {
      const from = row * columns + firstRow;
      for (let column = 0; column < rowCount; column += 1) floats[column * rows + row] = whole[from + column] as number;
    }
    yield { firstRow, rowCount, elements: floats.subarray(0, rowCount * rows) };
  }
}

/** Little-endian elements of `type` as float32. `bytes` begins on a multiple of 4 in its buffer. */
function widen(type: FloatType, bytes: Uint8Array, into: Float32Array): void {
  if (type === 'float32') {
    into.set(new Float32Array(bytes.buffer, bytes.byteOffset, into.length));
    return;
  }
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, into.length);
  if (type === 'bfloat16') {
    // bfloat16 is the upper half of a float32.
    const words = new Uint32Array(into.buffer, into.byteOffset, into.length);
    for (let index = 0; index < words.length; index += 1) words[index] = (halves[index] as number) << 16;
    return;
  }
  halfValues ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => halfToFloat(bits));
  for (let index = 0; index < into.length; index += 1) into[index] = halfValues[halves[index] as number] as number;
}

/** The value of an IEEE 754 binary16. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
