import { describe, expect, it } from 'vitest';
import { Int32Recycler } from './int32-recycler.ts';

describe('Int32Recycler', () => {
  it.each([
    [0, 4],
    [4, 4],
    [5, 8],
    [64, 64],
    [65, 128],
  ])('lends at least %i elements, in a power of two: %i', (minimum, length) => {
    expect(new Int32Recycler().take(minimum).length).toBe(length);
  });

  it('lends an array again that came back, and only then', () => {
    const recycler = new Int32Recycler();
    const first = recycler.take(10);
    expect(recycler.take(10)).not.toBe(first);
    recycler.give(first);
    expect(recycler.take(16)).toBe(first);
  });

  it('keeps the first elements of an array that grows, and takes the shorter one back', () => {
    const recycler = new Int32Recycler();
    const short = recycler.take(4);
    short.set([7, 8, 9, 1]);
    const long = recycler.grow(short, 3, 5);
    expect([...long.subarray(0, 3)]).toEqual([7, 8, 9]);
    expect(long.length).toBe(8);
    expect(recycler.take(4)).toBe(short);
  });
});
