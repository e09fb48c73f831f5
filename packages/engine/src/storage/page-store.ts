/**
 * The bytes of all pages: the one place that writes them. Pages are written by slot (`scatter`) and copied row by row between pages
 * (`copyRows`); a graph reads the pools in place. The null page (page 0) stays zero for ever.
 */
import { NULL_PAGE } from '@octavo/kv';
import { brokenInvariant, EngineError } from '../errors.ts';
import { fromHalf } from './half.ts';
import { makeElements, type PageElements } from './page-elements.ts';
import type { PageLayout } from './page-layout.ts';

/** K/V rows that a run handed out, and where they go. Only the first `rowCount` slots are read. */
export interface NewRows {
  /** [layers, rowCount, kvHeads, headDim] in the format of the pages. */
  readonly keys: PageElements;
  readonly values: PageElements;
  /** [layers, rowCount, kvHeads]; int8 only. */
  readonly keyScales?: Float32Array | undefined;
  readonly valueScales?: Float32Array | undefined;
  /** [>= rowCount] page x pageSize + offset, pairwise distinct, none in the null page. */
  readonly slots: Int32Array;
  readonly rowCount: number;
}

/** K or V of all layers. */
export interface PoolColumns {
  /** [layers] pools of shape [kvHeads, pages, pageSize, headDim]. */
  readonly elements: readonly PageElements[];
  /** [layers] of shape [kvHeads, pages, pageSize]; none but for int8 pages. */
  readonly scales: readonly Float32Array<ArrayBuffer>[];
}

export class PageStore {
  readonly layout: PageLayout;
  readonly keys: PoolColumns;
  readonly values: PoolColumns;
  /** [pages] 1: watched, and not written since. Undefined: nobody watches. */
  #watched: Uint8Array | undefined;

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
    if (this.#watched)
      for (let row = 0; row < rows.rowCount; row += 1) this.wrote(Math.floor((rows.slots[row] as number) / pageSize));
    for (let layer = 0; layer < this.layout.layers; layer += 1) {
      this.#scatterLayer(this.keys, rows.keys, layer, rows);
      this.#scatterLayer(this.values, rows.values, layer, rows);
      if (this.layout.kvType !== 'int8') continue;
      this.#scatterScales(this.keys, rows.keyScales as Float32Array, layer, rows);
      this.#scatterScales(this.values, rows.valueScales as Float32Array, layer, rows);
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
    this.wrote(to);
    const [fromSlot, toSlot] = [layout.firstSlot(from), layout.firstSlot(to)];
    for (const pools of [this.keys, this.values]) {
      for (let layer = 0; layer < layout.layers; layer += 1) {
        for (let head = 0; head < layout.kvHeads; head += 1) {
          const source = layout.rowAt(head, fromSlot);
          pools.elements[layer]?.copyWithin(layout.rowAt(head, toSlot), source, source + tokens * layout.slotStride);
          const row = layout.rowNumber(head, fromSlot);
          pools.scales[layer]?.copyWithin(layout.rowNumber(head, toSlot), row, row + tokens);
        }
      }
    }
  }

  /** From now on, until `unwatchWrites`, pages may be watched. One watcher at a time. Takes a byte a page. */
  watchWrites(): void {
    this.#watched = new Uint8Array(this.layout.pages);
  }

  unwatchWrites(): void {
    this.#watched = undefined;
  }

  /** What the page holds now is looked at. */
  watch(page: number): void {
    if (this.#watched) this.#watched[page] = 1;
  }

  /** Has the page the bytes that it had when it was watched? Pure. */
  isAsWatched(page: number): boolean {
    return this.#watched?.[page] === 1;
  }

  /** Whoever writes a page past this class has to say so. */
  wrote(page: number): void {
    if (this.#watched) this.#watched[page] = 0;
  }

  /** K of one token: [kvHeads, headDim] as a fresh array of what the elements mean. For tests, audits and executors that do not run graphs. */
  readKeys(layer: number, slot: number): Float32Array {
    return this.#read(this.keys, layer, slot);
  }

  /** V of one token: [kvHeads, headDim] as a fresh array. */
  readValues(layer: number, slot: number): Float32Array {
    return this.#read(this.values, layer, slot);
  }

  /** Violated laws of the bytes; empty when healthy. O(layers x kvHeads x pageSize x headDim). */
  check(): string[] {
    const violations: string[] = [];
    const { layout } = this;
    const firstSlot = layout.firstSlot(NULL_PAGE);
    for (let layer = 0; layer < layout.layers; layer += 1) {
      for (const [name, pools] of [
        ['key', this.keys],
        ['value', this.values],
      ] as const) {
        for (let head = 0; head < layout.kvHeads; head += 1) {
          const where = `null page: the ${name} pool of layer ${layer}, head ${head} is not zero at`;
          const start = layout.rowAt(head, firstSlot);
          const dirty = firstDirty(pools.elements[layer], start, layout.pageSize * layout.slotStride);
          if (dirty >= 0) violations.push(`${where} element ${dirty}`);
          const scale = firstDirty(pools.scales[layer], layout.rowNumber(head, firstSlot), layout.pageSize);
          if (scale >= 0) violations.push(`${where} scale ${scale}`);
        }
      }
    }
    return violations;
  }

  #scatterLayer(pools: PoolColumns, fresh: PageElements, layer: number, rows: NewRows): void {
    const pool = pools.elements[layer] as PageElements;
    const { kvHeads, headDim, headStride, slotStride, tokenStride } = this.layout;
    let source = layer * rows.rowCount * tokenStride;
    for (let row = 0; row < rows.rowCount; row += 1) {
      let target = (rows.slots[row] as number) * slotStride;
      for (let head = 0; head < kvHeads; head += 1) {
        copyElements(fresh, source, pool, target, headDim);
        source += headDim;
        target += headStride;
      }
    }
  }

  #scatterScales(pools: PoolColumns, fresh: Float32Array, layer: number, rows: NewRows): void {
    const scales = pools.scales[layer] as Float32Array;
    const { kvHeads, slots } = this.layout;
    let source = layer * rows.rowCount * kvHeads;
    for (let row = 0; row < rows.rowCount; row += 1) {
      for (let head = 0; head < kvHeads; head += 1) {
        scales[head * slots + (rows.slots[row] as number)] = fresh[source] as number;
        source += 1;
      }
    }
  }

  #read(pools: PoolColumns, layer: number, slot: number): Float32Array {
    const { kvHeads, headDim, tokenStride, kvType } = this.layout;
    const row = new Float32Array(tokenStride);
    const elements = pools.elements[layer] as PageElements;
    for (let head = 0; head < kvHeads; head += 1) {
      const start = this.layout.rowAt(head, slot);
      const scale = pools.scales[layer]?.[this.layout.rowNumber(head, slot)] ?? 1;
      for (let i = 0; i < headDim; i += 1) {
        const element = elements[start + i] as number;
        row[head * headDim + i] = kvType === 'f16' ? fromHalf(element) : element * scale;
      }
    }
    return row;
  }
}

/**
 * A plain loop: a `set(subarray)` would allocate two views for each head of each token. Eight loads before eight stores: rows go to places that are
 * in no cache, and more of the stores then wait at the same time; a step's rows are written in two thirds of the time.
 */
function copyElements(from: PageElements, source: number, to: PageElements, target: number, count: number): void {
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    const a = from[source + i] as number;
    const b = from[source + i + 1] as number;
    const c = from[source + i + 2] as number;
    const d = from[source + i + 3] as number;
    const e = from[source + i + 4] as number;
    const f = from[source + i + 5] as number;
    const g = from[source + i + 6] as number;
    const h = from[source + i + 7] as number;
    to[target + i] = a;
    to[target + i + 1] = b;
    to[target + i + 2] = c;
    to[target + i + 3] = d;
    to[target + i + 4] = e;
    to[target + i + 5] = f;
    to[target + i + 6] = g;
    to[target + i + 7] = h;
  }
  for (; i < count; i += 1) to[target + i] = from[source + i] as number;
}

/** Place of the first element of [start, start + count) that is not zero, from `start`; -1: there is none. */
function firstDirty(column: PageElements | undefined, start: number, count: number): number {
  for (let i = 0; column !== undefined && i < count; i += 1) if (column[start + i] !== 0) return i;
  return -1;
}

function allocatePools(layout: PageLayout): PoolColumns {
  const { kvType, layers, poolElements, poolRows } = layout;
  try {
    return {
      elements: Array.from({ length: layers }, () => makeElements(kvType, poolElements)),
      scales: kvType === 'int8' ? Array.from({ length: layers }, () => new Float32Array(poolRows)) : [],
    };
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
