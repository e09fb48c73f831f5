import { describe, expect, it } from 'vitest';
import { CostModel } from './cost-model.ts';

/** Groups, rows a group and pages a group of each level of a step. */
type Levels = readonly (readonly [groups: number, rows: number, pages: number])[];

function costOf(levels: Levels, rowCount: number): number {
  const model = new CostModel();
  return levels.reduce(
    (sum, [groups, rows, pages]) => sum + model.ofLevel(rowCount) + model.ofGroups(groups, rows, pages),
    0,
  );
}

describe('CostModel', () => {
  // What one layer took, in ms; see MEASURED_COSTS.
  const measured: { readonly name: string; readonly levels: Levels; readonly rows: number; readonly ms: number }[] = [
    { name: '32 rows flat', levels: [[32, 1, 68]], rows: 32, ms: 5.6 },
    {
      name: '32 rows in two levels',
      levels: [
        [1, 32, 64],
        [32, 1, 4],
      ],
      rows: 32,
      ms: 1.15,
    },
    { name: '64 rows flat', levels: [[64, 1, 52]], rows: 64, ms: 8.6 },
    {
      name: '64 rows in three levels',
      levels: [
        [1, 64, 16],
        [8, 8, 32],
        [64, 1, 4],
      ],
      rows: 64,
      ms: 2.2,
    },
  ];

  it.each(measured)('predicts $name within 20 % of the measurement, at 0.33 us a unit', ({ levels, rows, ms }) => {
    const predicted = (costOf(levels, rows) * 0.33) / 1_000;
    expect(Math.abs(predicted / ms - 1)).toBeLessThan(0.2);
  });

  it('weighs with the costs that it is given', () => {
    const model = new CostModel({ gather: 3, score: 2, level: 5, merge: 10 });
    expect(model.ofGroups(2, 4, 7)).toBe(2 * 7 * (3 + 4 * 2));
    expect(model.ofLevel(6)).toBe(5 + 60);
  });
});
