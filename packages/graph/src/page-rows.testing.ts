/** Rows in each page format, in plain loops: what the graph must hand out and read. Used by tests. */
import type { KvType } from './compiled-model.ts';

export interface FormattedRows {
  /** float32, float16 bits or int8 codes. */
  readonly elements: Float32Array | Uint16Array | Int8Array;
  /** One a row; int8 only. */
  readonly scales: Float32Array | undefined;
  /** What the elements mean. */
  readonly seen: Float32Array;
}

/** Rows of `width` elements each. */
export function formatRows(rows: Float32Array, width: number, kvType: KvType): FormattedRows {
  if (kvType === 'f32') return { elements: rows, scales: undefined, seen: rows };
  if (kvType === 'f16') {
    const elements = Uint16Array.from(rows, halfOf);
    return { elements, scales: undefined, seen: Float32Array.from(elements, floatOf) };
  }
  const elements = new Int8Array(rows.length);
  const scales = new Float32Array(rows.length / width);
  const seen = new Float32Array(rows.length);
  for (let row = 0; row < scales.length; row += 1) {
    let largest = 0;
    for (let i = 0; i < width; i += 1) largest = Math.max(largest, Math.abs(rows[row * width + i] as number));
    const scale = Math.fround(Math.max(Math.fround(largest * Math.fround(1 / 127)), Math.fround(1e-30)));
    scales[row] = scale;
    for (let i = row * width; i < (row + 1) * width; i += 1) {
      elements[i] = roundHalfEven(Math.fround((rows[i] as number) / scale));
      seen[i] = (elements[i] as number) * scale;
    }
  }
  return { elements, scales, seen };
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

function floatOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  return exponent === 0 ? sign * (bits & 0x3ff) * 2 ** -24 : sign * (1024 + (bits & 0x3ff)) * 2 ** (exponent - 25);
}

/** Nearest float16, halves to even; for magnitudes below 65,520. */
function halfOf(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(x);
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude));
  // In units of the last place; carrying into the next exponent gives the right bits by itself.
  const units = roundHalfEven(magnitude / 2 ** (exponent - 10));
  return sign | (exponent === -14 && units < 1024 ? units : ((exponent + 14) << 10) + units);
}
