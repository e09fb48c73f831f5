/**
 * The bytes of all pages: the one place that writes them. Pages are written by slot (`scatter`) and copied row by row between pages
 * (`copyRows`); a graph reads the pools in place. The null page (page 0) stays zero for ever.
 */
import { NULL_PAGE } from '@octavo/kv';
import { brokenInvariant, EngineError } from '../errors.ts';
import type { PageLayout } from './page-layout.ts';

/** K/V rows that a run handed out, and where they go. Only the first `rowCount` slots are read. */
export interface NewRows {
  /** [layers, rowCount, kvHeads, headDim] */
  readonly keys: Float32Array;
  /** [layers, rowCount, kvHeads, headDim] */
  readonly values: Float32Array;
  /** [>= rowCount] page x pageSize + offset, pairwise distinct, none in the null page. */
  readonly slots: Int32Array;
  readonly rowCount: number;
}

export class PageStore {
  readonly layout: PageLayout;
  /** [layers] pools of shape [kvHeads, pages, pageSize, headDim]. */
  readonly keys: readonly Float32Array<ArrayBuffer>[];
  /** [layers] pools of shape [kvHeads, pages, pageSize, headDim]. */
  readonly values: readonly Float32Array<ArrayBuffer>[];

  /**
   * Reserves all pools at once, zeroed; the system commits memory as pages are first written. One ArrayBuffer a layer and kind, since
   * the sum may be several GiB; not shared ones, since the runtime refuses those. Throws POOL_NOT_ALLOCATED.
   */
  constructor(layout: PageLayout) {
    this.layout = layout;
    this.keys = allocatePools(layout);
    this.values = allocatePools(layout);
  }

  /**
   * Writes a step's rows at their slots. Effect: the pages of those slots. Throws INVARIANT_BROKEN for a slot in the null page or
   * outside the pool, before anything is written. O(rows x layers x kvHeads x headDim), allocates nothing.
   */
  scatter(rows: NewRows): void {
    const { pageSize, slots } = this.layout;
    for (let row = 0; row < rows.rowCount; row += 1) {
      const slot = rows.slots[row] as number;
      if (slot < pageSize || slot >= slots) {
        throw brokenInvariant(
          `row ${row} would be written at slot ${slot}, which is not in a page from 1 to ${this.layout.pages - 1}`,
        );
      }
    }
    for (let layer = 0; layer < this.layout.layers; layer += 1) {
      this.#scatterLayer(this.keys[layer] as Float32Array, rows.keys, layer, rows);
      this.#scatterLayer(this.values[layer] as Float32Array, rows.values, layer, rows);
    }
  }

  /** Copies rows [0, tokens) of page `from` over those of page `to`, in every layer. Allocates nothing. */
  copyRows(from: number, to: number, tokens: number): void {
    const { layout } = this;
    const isWritable = (page: number) => page > NULL_PAGE && page < layout.pages;
    if (!isWritable(from) || !isWritable(to) || tokens > layout.pageSize) {
      throw brokenInvariant(
        `a copy of ${tokens} rows from page ${from} to page ${to} leaves the pages 1 to ${layout.pages - 1}`,
      );
    }
    const run = tokens * layout.slotStride;
    for (let layer = 0; layer < layout.layers; layer += 1) {
      const keys = this.keys[layer] as Float32Array;
      const values = this.values[layer] as Float32Array;
      for (let head = 0; head < layout.kvHeads; head += 1) {
        const source = layout.rowAt(head, layout.firstSlot(from));
        const target = layout.rowAt(head, layout.firstSlot(to));
        keys.copyWithin(target, source, source + run);
        values.copyWithin(target, source, source + run);
      }
    }
  }

  /** K of one token: [kvHeads, headDim] as a fresh array. For tests, audits and executors that do not run graphs. */
  readKeys(layer: number, slot: number): Float32Array {
    return this.#read(this.keys[layer] as Float32Array, slot);
  }

  /** V of one token: [kvHeads, headDim] as a fresh array. */
  readValues(layer: number, slot: number): Float32Array {
    return this.#read(this.values[layer] as Float32Array, slot);
  }

  /** Violated laws of the bytes; empty when healthy. O(layers x kvHeads x pageSize x headDim). */
  check(): string[] {
    const violations: string[] = [];
    const run = this.layout.pageSize * this.layout.slotStride;
    for (let layer = 0; layer < this.layout.layers; layer += 1) {
      for (const [name, pool] of [
        ['key', this.keys[layer]],
        ['value', this.values[layer]],
      ] as const) {
        for (let head = 0; head < this.layout.kvHeads; head += 1) {
          const start = this.layout.rowAt(head, this.layout.firstSlot(NULL_PAGE));
          const dirty = pool?.subarray(start, start + run).findIndex((element) => element !== 0) ?? 0;
          if (dirty >= 0)
            violations.push(
              `null page: the ${name} pool of layer ${layer}, head ${head} is not zero at element ${dirty}`,
            );
        }
      }
    }
    return violations;
  }

  #scatterLayer(pool: Float32Array, fresh: Float32Array, layer: number, rows: NewRows): void {
    const { kvHeads, headDim, headStride, slotStride, tokenStride } = this.layout;
    let source = layer * rows.rowCount * tokenStride;
    for (let row = 0; row < rows.rowCount; row += 1) {
      let target = (rows.slots[row] as number) * slotStride;
      for (let head = 0; head < kvHeads; head += 1) {
        // A plain loop: a `set(subarray)` would allocate two views for each head of each token.
        for (let i = 0; i < headDim; i += 1) pool[target + i] = fresh[source + i] as number;
        source += headDim;
        target += headStride;
      }
    }
  }

  #read(pool: Float32Array, slot: number): Float32Array {
    const { kvHeads, headDim, tokenStride } = this.layout;
    const row = new Float32Array(tokenStride);
    for (let head = 0; head < kvHeads; head += 1) {
      const start = this.layout.rowAt(head, slot);
      row.set(pool.subarray(start, start + headDim), head * headDim);
    }
    return row;
  }
}

function allocatePools(layout: PageLayout): Float32Array<ArrayBuffer>[] {
  try {
    return Array.from({ length: layout.layers }, () => new Float32Array(layout.poolElements));
  } catch (cause) {
    const gib = (layout.totalBytes / 2 ** 30).toFixed(1);
    throw new EngineError(
      'POOL_NOT_ALLOCATED',
      `${layout.pages} pages need ${gib} GiB, which could not be allocated: open with fewer pages.`,
      {
        details: { pages: layout.pages, bytes: layout.totalBytes },
        cause,
      },
    );
  }
}
