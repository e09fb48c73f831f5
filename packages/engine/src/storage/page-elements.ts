/** Elements of rows in each page format: which typed array holds them, and what they mean as float32. */
import type { KvType } from '@octavo/graph';

/** float32; float16 as its bits; int8 codes, which mean something only with their row's scale. */
export type PageElements = Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Int8Array<ArrayBuffer>;

/** Zeros. Throws RangeError when the memory is not to be had. */
export function makeElements(kvType: KvType, count: number): PageElements {
  switch (kvType) {
    case 'f32':
      return new Float32Array(count);
    case 'f16':
      return new Uint16Array(count);
    case 'int8':
      return new Int8Array(count);
  }
}
