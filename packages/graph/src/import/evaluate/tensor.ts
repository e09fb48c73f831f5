/** Tensors of an evaluation: element type, extents, and elements as doubles (bool: 0 or 1), row-major. */
import type { ElementType } from '../../ir/graph.ts';
import { elementsOf } from '../source-graph.ts';

export interface TensorShape {
  readonly type: ElementType;
  readonly dims: readonly number[];
}

export type Elements = Float64Array;

/** Elements from one index to the next along each axis. Pure. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let axis = dims.length - 2; axis >= 0; axis -= 1) {
    strides[axis] = (strides[axis + 1] as number) * (dims[axis + 1] as number);
  }
  return strides;
}

/** Extents after broadcasting; undefined when they do not fit. Pure. */
export function broadcastDims(all: readonly (readonly number[])[]): number[] | undefined {
  const rank = Math.max(0, ...all.map(({ length }) => length));
  const out = new Array<number>(rank).fill(1);
  for (const dims of all) {
    for (let axis = 0; axis < dims.length; axis += 1) {
      const at = rank - dims.length + axis;
      const dim = dims[axis] as number;
      if (dim === 1 || dim === out[at]) continue;
      if (out[at] !== 1) return undefined;
      out[at] = dim;
    }
  }
  return out;
}

/** Strides of `dims` as seen from a broadcast shape: 0 along axes that repeat. Pure. */
export function broadcastStrides(dims: readonly number[], out: readonly number[]): number[] {
  const own = stridesOf(dims);
  const shift = out.length - dims.length;
  return out.map((_, axis) => (axis < shift || dims[axis - shift] === 1 ? 0 : (own[axis - shift] as number)));
}

/** An axis counted from the front; undefined when it is outside. Pure. */
export function axisOf(axis: number, rank: number): number | undefined {
  const from = axis < 0 ? axis + rank : axis;
  return Number.isInteger(from) && from >= 0 && from < rank ? from : undefined;
}

/** Calls `visit` for every element of `dims`, in order, with its offset under each list of strides. */
export function walk(
  dims: readonly number[],
  strides: readonly (readonly number[])[],
  visit: (index: number, offsets: readonly number[]) => void,
): void {
  const count = elementsOf(dims);
  const at = new Array<number>(dims.length).fill(0);
  const offsets = new Array<number>(strides.length).fill(0);
  for (let index = 0; index < count; index += 1) {
    visit(index, offsets);
    for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
      at[axis] = (at[axis] as number) + 1;
      for (let i = 0; i < strides.length; i += 1) {
        offsets[i] = (offsets[i] as number) + ((strides[i] as number[])[axis] as number);
      }
      if ((at[axis] as number) < (dims[axis] as number)) break;
      for (let i = 0; i < strides.length; i += 1) {
        offsets[i] = (offsets[i] as number) - ((strides[i] as number[])[axis] as number) * (at[axis] as number);
      }
      at[axis] = 0;
    }
  }
}

/** The bytes of a tensor as elements. Pure. */
export function decode(type: ElementType, bytes: Uint8Array): Elements {
  // A copy: the bytes of a file begin anywhere, and views want multiples of the element's width.
  const { buffer } = Uint8Array.from(bytes);
  switch (type) {
    case 'float32':
      return Float64Array.from(new Float32Array(buffer));
    case 'float64':
      return new Float64Array(buffer);
    case 'int64':
      return Float64Array.from(new BigInt64Array(buffer), Number);
    case 'int32':
      return Float64Array.from(new Int32Array(buffer));
    case 'int8':
      return Float64Array.from(new Int8Array(buffer));
    case 'uint8':
    case 'bool':
      return Float64Array.from(new Uint8Array(buffer));
    case 'uint4':
    case 'int4':
      return decodeNibbles(new Uint8Array(buffer), type);
    case 'float16':
      return Float64Array.from(new Uint16Array(buffer), halfToNumber);
    case 'bfloat16':
      return Float64Array.from(
        new Float32Array(Uint32Array.from(new Uint16Array(buffer), (half) => half << 16).buffer),
      );
  }
}

/** Elements as the bytes of a tensor. Pure. */
export function encode(type: ElementType, elements: Elements): Uint8Array {
  const bytesOf = (array: { buffer: ArrayBufferLike }) => new Uint8Array(array.buffer);
  switch (type) {
    case 'float32':
      return bytesOf(Float32Array.from(elements));
    case 'float64':
      return bytesOf(Float64Array.from(elements));
    case 'int64':
      return bytesOf(BigInt64Array.from(elements, toInt64));
    case 'int32':
      return bytesOf(Int32Array.from(elements));
    case 'int8':
      return bytesOf(Int8Array.from(elements));
    case 'uint8':
    case 'bool':
      return Uint8Array.from(elements);
    case 'uint4':
    case 'int4':
      return Uint8Array.from({ length: Math.ceil(elements.length / 2) }, (_, at) => {
        return ((elements[2 * at] as number) & 15) | (((elements[2 * at + 1] ?? 0) & 15) << 4);
      });
    case 'float16':
      return bytesOf(Uint16Array.from(elements, numberToHalf));
    case 'bfloat16':
      return bytesOf(Uint16Array.from(new Uint32Array(Float32Array.from(elements).buffer), (bits) => bits >>> 16));
  }
}

/** Two in a byte, the lower four bits first; of an odd number, the last half is padding that nobody reads. */
function decodeNibbles(bytes: Uint8Array, type: 'uint4' | 'int4'): Elements {
  return Float64Array.from({ length: bytes.length * 2 }, (_, at) => {
    const code = ((bytes[at >> 1] as number) >> (4 * (at & 1))) & 15;
    return type === 'int4' && code > 7 ? code - 16 : code;
  });
}

function toInt64(element: number): bigint {
  const [least, most] = [-(2n ** 63n), 2n ** 63n - 1n];
  if (Number.isNaN(element)) return 0n;
  if (element >= 2 ** 63) return most;
  return element <= -(2 ** 63) ? least : BigInt(Math.trunc(element));
}

/** IEEE 754 binary16. */
function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** Rounded to nearest, ties to even. */
function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude));
  const scaled = magnitude / 2 ** (exponent - 10);
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  return sign | (magnitude < 2 ** -14 ? rounded : ((exponent + 15) << 10) + (rounded - 1024));
}
