/**
 * Where a row of K or V lies: the one place that computes strides.
 *
 * Each layer has two pools, K and V, each one typed array of shape [kvHeads, pages, pageSize, headDim]. Heads are outermost, so
 * that a graph's `Gather(axis = 1)` over pages yields [kvHeads, group, tokens, headDim] with no transposition. int8 pools have a column of
 * scales beside them, [kvHeads, pages, pageSize]: one a row.
 *
 *     pool   | head 0: page 0 | page 1 | ... | head 1: page 0 | page 1 | ...
 *     page   | slot 0 | slot 1 | ... | slot pageSize - 1          slot = page x pageSize + offset
 *     slot   | headDim elements
 */
import type { KvType, ModelShape } from '@octavo/graph';
import { EngineError } from '../errors.ts';

/** Bytes of one element of a row, and of what a row (token x head) needs besides. */
const FORMAT_BYTES: Readonly<Record<KvType, { readonly element: number; readonly row: number }>> = {
  f32: { element: 4, row: 0 },
  f16: { element: 2, row: 0 },
  // A float32 scale.
  int8: { element: 1, row: 4 },
};

export interface PageExtent {
  /** The null page included. */
  readonly pages: number;
  /** Tokens a page. */
  readonly pageSize: number;
  /** Default `f32`. */
  readonly kvType?: KvType;
}

/** Extents and strides of all pools. Counts of elements unless the name says otherwise. */
export class PageLayout {
  readonly layers: number;
  readonly kvHeads: number;
  readonly pages: number;
  /** Tokens a page. */
  readonly pageSize: number;
  readonly headDim: number;
  /** Slots of a pool: pages x pageSize. */
  readonly slots: number;
  /** From a slot's row of one head to the next slot's. */
  readonly slotStride: number;
  /** From a slot's row of one head to the same slot's of the next head. */
  readonly headStride: number;
  /** From a row of `new_keys` / `new_values` [layers, rows, kvHeads, headDim] to the next one. */
  readonly tokenStride: number;
  /** Of one pool. */
  readonly poolElements: number;
  /** Rows (token x head) of one pool. */
  readonly poolRows: number;
  readonly kvType: KvType;

  /** Pure. Throws INVALID_OPTION for extents that are not positive integers. */
  constructor(shape: ModelShape, extent: PageExtent) {
    this.layers = positive('layers', shape.layers);
    this.kvHeads = positive('kvHeads', shape.kvHeads);
    this.headDim = positive('headDim', shape.headDim);
    this.pages = positive('pages', extent.pages);
    this.pageSize = positive('pageSize', extent.pageSize);
    this.slots = this.pages * this.pageSize;
    this.slotStride = this.headDim;
    this.headStride = this.slots * this.slotStride;
    this.tokenStride = this.kvHeads * this.headDim;
    this.poolElements = this.kvHeads * this.headStride;
    this.poolRows = this.kvHeads * this.slots;
    this.kvType = extent.kvType ?? 'f32';
  }

  /** First element of the row of `head` at `slot`, in either pool of any layer. Pure. */
  rowAt(head: number, slot: number): number {
    return head * this.headStride + slot * this.slotStride;
  }

  /** The row of `head` at `slot`, counted in rows: where its scale is. Pure. */
  rowNumber(head: number, slot: number): number {
    return head * this.slots + slot;
  }

  /** First slot of a page. Pure. */
  firstSlot(page: number): number {
    return page * this.pageSize;
  }

  /** Bytes of all pools of all layers. */
  get totalBytes(): number {
    return this.slots * bytesPerToken(this, this.kvType);
  }

  /** [kvHeads, pages, pageSize, headDim], for a tensor over a pool. */
  get dims(): readonly [number, number, number, number] {
    return [this.kvHeads, this.pages, this.pageSize, this.headDim];
  }
}

/** Bytes of K and V of one token in all layers. Pure. */
export function bytesPerToken(shape: Pick<ModelShape, 'layers' | 'kvHeads' | 'headDim'>, kvType: KvType): number {
  const { element, row } = FORMAT_BYTES[kvType];
  return 2 * shape.layers * shape.kvHeads * (shape.headDim * element + row);
}

function positive(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new EngineError('INVALID_OPTION', `${name} is ${value}: give a positive integer.`, {
    details: { [name]: value },
  });
}
