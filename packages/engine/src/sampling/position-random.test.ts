import { describe, expect, it } from 'vitest';
import { PositionRandom, philox4x32 } from './position-random.ts';
import { chiSquare, chiSquareLimit } from './statistics.testing.ts';

const random = new PositionRandom();

/** Draws of one kind in cells of equal width. */
function countsOf(draws: number, cells: number, draw: (index: number) => number): number[] {
  const counts = new Array<number>(cells).fill(0);
  for (let index = 0; index < draws; index += 1) {
    const cell = Math.floor(draw(index) * cells);
    counts[cell] = (counts[cell] as number) + 1;
  }
  return counts;
}

function expectUniform(draw: (index: number) => number): void {
  const cells = 100;
  const counts = countsOf(100_000, cells, draw);
  expect(chiSquare(counts, new Array<number>(cells).fill(1 / cells))).toBeLessThan(chiSquareLimit(cells - 1));
}

describe('philox4x32', () => {
  // The known answers that the authors published with their library.
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('gives the published output for the counter %j', (counter, [key0, key1], output) => {
    const block = Uint32Array.from(counter);
    philox4x32(block, key0 as number, key1 as number);
    expect([...block]).toEqual(output);
  });
});

describe('PositionRandom', () => {
  it('gives the same number for the same seed and position, whatever was drawn before', () => {
    const first = random.uniformAt(7, 3);
    random.uniformAt(8, 4);
    expect(random.uniformAt(7, 3)).toBe(first);
    expect(new PositionRandom().uniformAt(7, 3)).toBe(first);
  });

  it('depends on both arguments, and on the upper part of a seed', () => {
    const numbers = [
      random.uniformAt(0, 0),
      random.uniformAt(0, 1),
      random.uniformAt(1, 0),
      random.uniformAt(2 ** 32, 0),
      random.uniformAt(2 ** 52, 0),
      random.uniformAt(2 ** 53 - 1, 0),
    ];
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const number of numbers) {
      expect(number).toBeGreaterThanOrEqual(0);
      expect(number).toBeLessThan(1);
    }
  });

  it('is uniform over the positions of a seed, and over the seeds at a position', () => {
    expectUniform((index) => random.uniformAt(12_345, index));
    expectUniform((index) => random.uniformAt(index, 17));
  });

  it('has no connection between neighbouring positions, or between neighbouring seeds', () => {
    for (const next of [
      (index: number) => random.uniformAt(5, index + 1),
      (index: number) => random.uniformAt(6, index),
    ]) {
      const cells = 10;
      const counts = new Array<number>(cells * cells).fill(0);
      for (let index = 0; index < 100_000; index += 1) {
        const cell = Math.floor(random.uniformAt(5, index) * cells) * cells + Math.floor(next(index) * cells);
        counts[cell] = (counts[cell] as number) + 1;
      }
      const probabilities = new Array<number>(cells * cells).fill(1 / (cells * cells));
      expect(chiSquare(counts, probabilities)).toBeLessThan(chiSquareLimit(cells * cells - 1));
    }
  });
});
