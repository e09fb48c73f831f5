import { describe, expect, it } from 'vitest';
import { fakeShape } from '../fake-runner.ts';
import { bytesPerToken, PageLayout } from './page-layout.ts';

const shape = { ...fakeShape, layers: 3, kvHeads: 2, headDim: 5 };

describe('PageLayout', () => {
  it('gives every row of [kvHeads, pages, pageSize, headDim] a place of its own, in that order', () => {
    const layout = new PageLayout(shape, { pages: 4, pageSize: 3 });
    const seen: number[] = [];
    for (let head = 0; head < 2; head += 1) {
      for (let page = 0; page < 4; page += 1) {
        for (let offset = 0; offset < 3; offset += 1) {
          expect(layout.rowAt(head, layout.firstSlot(page) + offset)).toBe(((head * 4 + page) * 3 + offset) * 5);
          seen.push(layout.rowAt(head, layout.firstSlot(page) + offset));
        }
      }
    }
    expect(seen).toHaveLength(24);
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
    expect(layout.poolElements).toBe(24 * 5);
    expect(layout.dims).toEqual([2, 4, 3, 5]);
  });

  it('counts the bytes of K and V of all layers', () => {
    const layout = new PageLayout(shape, { pages: 4, pageSize: 3 });
    expect(bytesPerToken(shape, 'f32')).toBe(2 * 3 * 2 * 5 * 4);
    expect(bytesPerToken(shape, 'f16')).toBe(2 * 3 * 2 * 5 * 2);
    expect(bytesPerToken(shape, 'int8')).toBe(2 * 3 * 2 * (5 + 4));
    expect(layout.totalBytes).toBe(bytesPerToken(shape, 'f32') * layout.slots);
  });

  it('refuses extents that are not positive integers', () => {
    for (const pages of [0, -1, 1.5, Number.NaN]) {
      expect(() => new PageLayout(shape, { pages, pageSize: 3 })).toThrow(/pages is .*: give a positive integer/);
    }
  });
});
