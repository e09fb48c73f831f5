import { describe, expect, it } from 'vitest';
import { fakeShape } from '../fake-runner.ts';
import { pageBytesOf, readPageBytes, writePageBytes } from './page-bytes.ts';
import { PageLayout } from './page-layout.ts';
import { PageStore } from './page-store.ts';

describe('a page as bytes', () => {
  it.each(['f32', 'f16', 'int8'] as const)('is all of its rows, and comes back as it was, in %s', (kvType) => {
    const store = new PageStore(new PageLayout(fakeShape, { pages: 4, pageSize: 4, kvType }));
    for (const { elements, scales } of [store.keys, store.values]) {
      for (const pool of [...elements, ...scales]) for (let i = 0; i < pool.length; i += 1) pool[i] = (i * 7 + 3) % 101;
    }
    const bytes = new Uint8Array(pageBytesOf(store.layout));
    readPageBytes(store, 2, 4, bytes);
    const other = new PageStore(store.layout);
    writePageBytes(other, 3, bytes);
    for (let layer = 0; layer < fakeShape.layers; layer += 1) {
      for (let offset = 0; offset < 4; offset += 1) {
        expect(other.readKeys(layer, 12 + offset)).toEqual(store.readKeys(layer, 8 + offset));
        expect(other.readValues(layer, 12 + offset)).toEqual(store.readValues(layer, 8 + offset));
      }
    }
    // Nothing else was written.
    const rest = new PageStore(store.layout);
    for (let slot = 0; slot < 12; slot += 1) expect(other.readKeys(0, slot)).toEqual(rest.readKeys(0, slot));
  });

  it('has zeros for the rows that nobody asked for', () => {
    const store = new PageStore(new PageLayout(fakeShape, { pages: 3, pageSize: 4 }));
    for (const pool of store.keys.elements) pool.fill(7);
    const bytes = new Uint8Array(pageBytesOf(store.layout));
    readPageBytes(store, 1, 1, bytes);
    const copy = new PageStore(store.layout);
    writePageBytes(copy, 2, bytes);
    expect(new Set(copy.readKeys(0, 8))).toEqual(new Set([7]));
    expect(new Set(copy.readKeys(0, 9))).toEqual(new Set([0]));
  });
});
