import { describe, expect, it } from 'vitest';
import { fakeShape } from '../fake-runner.ts';
import { PageLayout } from './page-layout.ts';
import { PageStore } from './page-store.ts';

// Rows are copied eight elements at a time, and what is left one by one.
const shape = { ...fakeShape, layers: 2, kvHeads: 3, headDim: 22 };
const rowElements = shape.kvHeads * shape.headDim;

function newStore(pages = 5, pageSize = 2) {
  return new PageStore(new PageLayout(shape, { pages, pageSize }));
}

/** Rows whose elements are all different, keys positive and values negative. */
function rowsFor(slots: number[]) {
  const elements = shape.layers * slots.length * rowElements;
  const keys = Float32Array.from({ length: elements }, (_, i) => i + 1);
  return {
    keys,
    values: keys.map((element) => -element),
    slots: Int32Array.from([...slots, -7]),
    rowCount: slots.length,
  };
}

describe('PageStore', () => {
  it('writes [layers, rows, kvHeads, headDim] at the slots of each row and nowhere else', () => {
    const store = newStore();
    const slots = [9, 2, 5];
    const rows = rowsFor(slots);
    store.scatter(rows);
    for (let layer = 0; layer < shape.layers; layer += 1) {
      slots.forEach((slot, row) => {
        const start = (layer * slots.length + row) * rowElements;
        expect(store.readKeys(layer, slot)).toEqual(rows.keys.slice(start, start + rowElements));
        expect(store.readValues(layer, slot)).toEqual(rows.values.slice(start, start + rowElements));
      });
      const written = (store.keys.elements[layer] as Float32Array).filter((element) => element !== 0);
      expect(written).toHaveLength(slots.length * rowElements);
    }
    expect(store.check()).toEqual([]);
  });

  it('copies the first rows of a page in every layer and leaves the others', () => {
    const store = newStore();
    store.scatter(rowsFor([2, 3, 8, 9]));
    const kept = store.readKeys(1, 9);
    store.copyRows(1, 4, 1);
    for (let layer = 0; layer < shape.layers; layer += 1) {
      expect(store.readKeys(layer, 8)).toEqual(store.readKeys(layer, 2));
      expect(store.readValues(layer, 8)).toEqual(store.readValues(layer, 2));
    }
    expect(store.readKeys(1, 9)).toEqual(kept);
  });

  it('refuses to write the null page or outside the pool, before anything is written', () => {
    const store = newStore();
    for (const slot of [0, 1, 10, -1]) {
      expect(() => store.scatter(rowsFor([4, slot]))).toThrow(/Broken invariant: row 1 would be written at slot/);
    }
    expect(() => store.copyRows(0, 1, 1)).toThrow(/Broken invariant: a copy/);
    expect(() => store.copyRows(1, 0, 1)).toThrow(/Broken invariant: a copy/);
    expect(() => store.copyRows(1, 2, 3)).toThrow(/Broken invariant: a copy/);
    expect((store.keys.elements[0] as Float32Array).every((element) => element === 0)).toBe(true);
  });

  it('reports a null page that is not zero, with pool, layer and head', () => {
    const store = newStore();
    (store.values.elements[1] as Float32Array)[store.layout.rowAt(2, 1) + 3] = 1;
    expect(store.check()).toEqual(['null page: the value pool of layer 1, head 2 is not zero at element 25']);
  });

  it('says how much memory was asked for when the pools cannot be allocated', () => {
    expect(() => newStore(2 ** 40, 64)).toThrow(/1099511627776 pages need [\d.]+ GiB, which could not be allocated/);
  });

  it('keeps a scale with every int8 row, also when rows are copied', () => {
    const layout = new PageLayout(shape, { pages: 5, pageSize: 2, kvType: 'int8' });
    const store = new PageStore(layout);
    const rows = shape.layers * 2 * shape.kvHeads;
    const codes = Int8Array.from({ length: rows * shape.headDim }, (_, i) => (i % 200) - 100);
    const scales = Float32Array.from({ length: rows }, (_, i) => (i + 1) / 8);
    const slots = Int32Array.of(7, 2);
    store.scatter({
      keys: codes,
      values: codes,
      keyScales: scales,
      valueScales: scales.map((x) => 2 * x),
      slots,
      rowCount: 2,
    });
    const at = (layer: number, row: number) =>
      Array.from({ length: rowElements }, (_, i) => {
        const place = (layer * 2 + row) * rowElements + i;
        return (codes[place] as number) * (scales[Math.floor(place / shape.headDim)] as number);
      });
    for (let layer = 0; layer < shape.layers; layer += 1) {
      expect(Array.from(store.readKeys(layer, 7))).toEqual(at(layer, 0));
      expect(Array.from(store.readValues(layer, 2))).toEqual(at(layer, 1).map((x) => 2 * x));
    }
    store.copyRows(3, 4, 2);
    expect(Array.from(store.readKeys(1, 9))).toEqual(at(1, 0));
    (store.keys.scales[0] as Float32Array)[1] = 1;
    expect(store.check()).toEqual(['null page: the key pool of layer 0, head 0 is not zero at scale 1']);
  });

  it('reads float16 rows back as the numbers that they are', () => {
    const store = new PageStore(new PageLayout(shape, { pages: 3, pageSize: 2, kvType: 'f16' }));
    const halves = [0x3c00, 0xc000, 0x0001, 0x3555, 0x7bff, 0x8000];
    const keys = Uint16Array.from({ length: shape.layers * rowElements }, (_, i) => halves[i % 6] as number);
    store.scatter({ keys, values: keys, slots: Int32Array.of(3), rowCount: 1 });
    expect(Array.from(store.readKeys(1, 3).subarray(0, 6))).toEqual([1, -2, 2 ** -24, 0.333251953125, 65504, -0]);
  });
});
