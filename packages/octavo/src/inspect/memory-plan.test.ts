import { PROCESS_BYTES } from '@octavo/engine';
import { describe, expect, it } from 'vitest';
import { barParts } from './memory-bar.ts';
import { type MemoryBudget, planMemory } from './memory-plan.ts';

const costs = {
  weightBytes: { f32: 600_000_000, q8: 170_000_000, q4: 90_000_000 },
  bytesPerToken: { f32: 46_080, f16: 23_040, int8: 12_240 },
};
const budget: MemoryBudget = { bytes: 2e9, weights: 'q4', kvType: 'f32', pageSize: 16 };

describe('planMemory', () => {
  it('shares the whole memory out, and gives pages what is left', () => {
    const plan = planMemory(costs, budget);
    expect(plan.weightBytes).toBe(90_000_000);
    expect(plan.weightBytes + plan.workspaceBytes + plan.pageBytes).toBe(2e9);
    expect(plan.pages).toBe(Math.floor(plan.pageBytes / (16 * 46_080)));
  });

  it('counts the tokens of whole pages but the null page, for every format of pages', () => {
    const { tokens, pages } = planMemory(costs, budget);
    expect(tokens.f32).toBe((pages - 1) * 16);
    expect(tokens.int8 / tokens.f32).toBeGreaterThan(3.7);
    expect(tokens.f16).toBeGreaterThan(2 * tokens.f32 - 16);
  });

  it('takes the format that an export has, whatever was asked for', () => {
    const plan = planMemory({ ...costs, weightBytes: { q8: 170_000_000 } }, budget);
    expect(plan).toMatchObject({ weights: 'q8', weightBytes: 170_000_000 });
  });

  it('has no pages when the rest does not fit', () => {
    const plan = planMemory(costs, { ...budget, bytes: 5e8, weights: 'f32' });
    expect(plan).toMatchObject({ pageBytes: 0, pages: 0, tokens: { f32: 0, f16: 0, int8: 0 } });
  });
});

describe('barParts', () => {
  const widthOf = (bytes: number, weights: MemoryBudget['weights'], width: number) => {
    const parts = barParts(planMemory(costs, { ...budget, bytes, weights }), width);
    expect(parts.reduce((sum, part) => sum + part.width, 0)).toBe(width);
    return Object.fromEntries(parts.map(({ name, width: own }) => [name, own]));
  };

  it('is as long as it should be, each part in proportion', () => {
    expect(widthOf(4e9, 'f32', 100)).toEqual({ weights: 15, workspace: 7, pages: 78 });
  });

  it('shows the smallest part too', () => {
    expect(widthOf(64e9, 'q4', 60)).toEqual({ weights: 1, workspace: 1, pages: 58 });
  });

  it('shows what is missing when it does not fit', () => {
    const bytes = 600_000_000;
    const parts = barParts(planMemory(costs, { ...budget, bytes, weights: 'f32' }), 60);
    expect(parts.map(({ name, bytes: size }) => [name, size])).toEqual([
      ['weights', bytes],
      ['missing', PROCESS_BYTES],
    ]);
  });
});
