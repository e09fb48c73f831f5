import { describe, expect, it } from 'vitest';
import { checkPlan } from './check-plan.ts';
import type { PlanInspection } from './plan-inspection.ts';
import { range, steps, submit, worldOf } from './scheduler.testing.ts';
import type { LevelPlan, StepPlan, WindowLevelPlan } from './step-plan.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Columns are reused objects: the tests write where an executor must not. */
function writable<T>(value: T): Mutable<T> {
  return value as Mutable<T>;
}

/**
 * Two decodes and a chunk of 6 over a shared system prompt of 8 tokens, which is read once, and a copied tail: every part of a plan is used.
 */
function planned(): { readonly plan: StepPlan; readonly inspection: PlanInspection } {
  const world = worldOf({ attentionCosts: { gather: 9, score: 1, level: 0, merge: 0 }, checks: 'none', windows: [6] });
  for (const at of range(0, 2)) submit(world.scheduler, [...range(0, 8), 100 + at, 50], { maxTokens: 9 });
  steps(world, 3);
  submit(world.scheduler, [...range(0, 8), 100, 60, ...range(200, 5)]);
  const plan = world.scheduler.plan()!;
  return { plan, inspection: world.scheduler.inspect() };
}

function usedLevel({ levels }: StepPlan, place: number): Mutable<LevelPlan> {
  return writable(levels.filter(({ groupCount }) => groupCount > 0)[place]!);
}

/** The level of the window that reads own pages: the system prompt is out of sight. */
function windowLevel({ windows }: StepPlan): Mutable<WindowLevelPlan> {
  return writable(windows[0]!.levels.find(({ groupCount }) => groupCount > 0)!);
}

describe('checkPlan', () => {
  it('finds nothing wrong with a plan of the scheduler, which uses levels and chunks', () => {
    const { plan, inspection } = planned();
    expect(checkPlan(plan, inspection)).toEqual([]);
    expect(plan.levels.filter(({ groupCount }) => groupCount > 0).length).toBeGreaterThan(1);
    expect(plan).toMatchObject({ rowCount: 8, sequenceCount: 3, chunks: { chunkCount: 1, rowsPerChunk: 6 } });
  });

  it.each<[string, (plan: StepPlan) => void, RegExp]>([
    ['a token that is not the sequence’s', (plan) => plan.tokens.set([999], 3), /row 3 is token 999/],
    ['a position that is not the next', (plan) => plan.positions.set([7], 4), /row 4 is token .* at position 7/],
    ['a first row that leaves a gap', (plan) => plan.firstRow.set([2], 1), /begins at row 2, not 1/],
    ['a sequence that does not run', (plan) => plan.sequences.set([99], 0), /sequence 99 of the plan is not running/],
    ['more tokens than there are', (plan) => plan.scheduledTokens.set([8], 2), /8 tokens after 9 of 15/],
    [
      'rows that belong to nobody',
      (plan) => {
        writable(plan).rowCount += 1;
      },
      /9 rows, and 8 scheduled tokens/,
    ],
    ['two rows with one slot', (plan) => plan.slots.set([plan.slots[3]!], 4), /law 8: slot \d+ is written twice/],
    ['a slot that the page table does not give', (plan) => plan.slots.set([4], 0), /row 0 writes slot 4, not/],
    ['a head out of order', (plan) => plan.headRow.set([1], 0), /head 0 is row 1, out of order/],
    ['a head that does not sample', (plan) => plan.headSamples.set([0], 2), /sequence 3 samples at row -1/],
    ['a head of nobody', (plan) => plan.headSequence.set([77], 2), /heads, of which 2 are in order/],
    [
      'a copy into a page of somebody else',
      (plan) => {
        writable(plan).copyCount = 1;
        plan.copyTo.set([1], 0);
      },
      /copy 0 goes into page 1/,
    ],
  ])('finds %s', (_, spoil, message) => {
    const { plan, inspection } = planned();
    spoil(plan);
    expect(checkPlan(plan, inspection).join('\n')).toMatch(message);
  });

  it.each<[string, (plan: StepPlan) => void, RegExp]>([
    [
      'a page that is read too short',
      (plan) => {
        usedLevel(plan, 0).tokens[0]! -= 1;
      },
      /reads position \d+ 0 times/,
    ],
    [
      'a page that is read beyond the past',
      (plan) => {
        usedLevel(plan, 1).tokens[0]! += 1;
      },
      /reads position \d+/,
    ],
    [
      'a page of another sequence',
      (plan) => {
        const { pages } = usedLevel(plan, 1);
        pages.set([pages[1]!], 0);
      },
      /which is not in the table of sequence/,
    ],
    [
      'a null page among the pages that are read',
      (plan) => {
        usedLevel(plan, 0).pages[0] = 0;
      },
      /wrong padding/,
    ],
    [
      'a page behind those that are read',
      (plan) => {
        const level = usedLevel(plan, 0);
        level.tokens[0] = 4;
      },
      /wrong padding/,
    ],
    [
      'more tokens than pages',
      (plan) => {
        usedLevel(plan, 0).tokens[0] = 99;
      },
      /reads 25 of 2 pages/,
    ],
    [
      'a row that points to another',
      (plan) => {
        usedLevel(plan, 0).rows[0] = 5;
      },
      /row \d points to row 5/,
    ],
    [
      'a row that points outside the groups',
      (plan) => {
        usedLevel(plan, 0).rowAt[0] = 999;
      },
      /outside its \d+ groups/,
    ],
    [
      'a level that is left out',
      (plan) => {
        usedLevel(plan, 0).groupCount = 0;
      },
      /reads position 0 0 times/,
    ],
    [
      'a chunk that is left out',
      (plan) => {
        writable(plan.chunks).chunkCount = 0;
      },
      /sequence 3 is in no chunk/,
    ],
    [
      'a chunk in the wrong order',
      (plan) => {
        plan.chunks.rows.set([4, 3], 1);
      },
      /points to row \d+ of a chunk/,
    ],
    [
      'a row outside the chunks',
      (plan) => {
        plan.chunks.rowAt[0] = 70;
      },
      /outside 1 chunks/,
    ],
    [
      'wrong statistics',
      (plan) => {
        writable(plan.attention).uniquePages += 1;
        writable(plan.attention).paddingPageReads += 1;
        writable(plan.attention).savedPageReads += 1;
      },
      /unique pages[\s\S]*padding reads[\s\S]*saved reads/,
    ],
  ])('finds %s', (_, spoil, message) => {
    const { plan, inspection } = planned();
    spoil(plan);
    expect(checkPlan(plan, inspection).join('\n')).toMatch(message);
  });

  it.each<[string, (plan: StepPlan) => void, RegExp]>([
    [
      'a page of a window that is read too short',
      (plan) => {
        windowLevel(plan).tokens[0]! -= 1;
      },
      /window 6: row \d+ reads position \d+ 0 times/,
    ],
    [
      'a page of a window at a wrong position',
      (plan) => {
        windowLevel(plan).firstPositions[0]! -= 4;
      },
      /window 6: row \d+ finds page \d+ at position/,
    ],
    [
      'a group of a window that begins inside a page',
      (plan) => {
        windowLevel(plan).firstPositions[0]! += 1;
      },
      /inside a page/,
    ],
    [
      'a level of a window that is left out',
      (plan) => {
        windowLevel(plan).groupCount = 0;
      },
      /window 6: row \d+ reads position \d+ 0 times/,
    ],
    [
      'a window of other groups',
      (plan) => {
        windowLevel(plan).groupCount += 1;
      },
      /window 6, level \d: \d groups, not/,
    ],
    [
      'a null page in a window',
      (plan) => {
        windowLevel(plan).pages[0] = 0;
      },
      /window 6, level \d: group 0, page 0: padding/,
    ],
    [
      'a window that reads pages that nobody sees',
      (plan) => {
        writable(plan.windows[0]!).window = 1;
      },
      /window 1, level \d: no row of group \d sees its first page/,
    ],
  ])('finds %s', (_, spoil, message) => {
    const { plan, inspection } = planned();
    spoil(plan);
    expect(checkPlan(plan, inspection).join('\n')).toMatch(message);
  });

  it('finds a row that writes into a shared page', () => {
    const { plan, inspection } = planned();
    const shared: PlanInspection = {
      ...inspection,
      planned: (id) => ({ ...inspection.planned(id)!, sharedPages: 9 }),
    };
    expect(checkPlan(plan, shared).join('\n')).toMatch(/law 6: row 0 writes slot \d+ of a shared page/);
  });
});
