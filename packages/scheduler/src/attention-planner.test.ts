import { describe, expect, it } from 'vitest';
import { type Member, member, ownReads, pageRun, pastOf, readsOf, shapesOf } from './attention.testing.ts';
import { type AttentionMode, AttentionPlanner } from './attention-planner.ts';
import { CostModel } from './cost-model.ts';

const PAGE_SIZE = 16;

function planned(members: readonly Member[], attention: AttentionMode = 'levels'): AttentionPlanner {
  const { past, rowCount } = pastOf(members);
  const planner = new AttentionPlanner(past, { pageSize: PAGE_SIZE, attention });
  planner.plan(rowCount);
  expect(readsOf(planner, rowCount, PAGE_SIZE)).toEqual(ownReads(members, PAGE_SIZE));
  return planner;
}

/** Members made by `make`, which is given pages that nobody else has. */
function many(count: number, make: (at: number, own: (pages: number) => number[]) => Member): Member[] {
  return Array.from({ length: count }, (_, at) => make(at, (pages) => pageRun(100_000 + 1_000 * at, pages)));
}

function costOf(planner: AttentionPlanner, rowCount: number): number {
  const model = new CostModel();
  return shapesOf(planner).reduce(
    (sum, [groups, rows, pages]) => sum + model.ofLevel(rowCount) + model.ofGroups(groups!, rows!, pages!),
    0,
  );
}

const SYSTEM = pageRun(1, 64);
const PRODUCTS = Array.from({ length: 8 }, (_, at) => pageRun(1_000 + 100 * at, 32));

describe('AttentionPlanner', () => {
  it('reads a system prompt once for all rows, and the tails in a level of their own', () => {
    const planner = planned(many(64, (_, own) => member([...SYSTEM, ...own(4)], PAGE_SIZE, 1, 3)));
    expect(shapesOf(planner)).toEqual([
      [1, 64, 64],
      [64, 1, 4],
    ]);
    expect(planner.stats).toMatchObject({ uniquePages: 64 + 64 * 4, savedPageReads: 63 * 64, paddingPageReads: 0 });
  });

  it('gives system prompt, products and tails a level each', () => {
    const members = many(64, (at, own) => member([...pageRun(1, 16), ...PRODUCTS[at % 8]!, ...own(4)], PAGE_SIZE));
    expect(shapesOf(planned(members))).toEqual([
      [1, 64, 16],
      [8, 8, 32],
      [64, 1, 4],
    ]);
  });

  it('uses one level when everything is private', () => {
    expect(shapesOf(planned(many(16, (_, own) => member(own(10), PAGE_SIZE))))).toEqual([[16, 1, 10]]);
  });

  it('uses one group when a sequence is alone', () => {
    expect(shapesOf(planned([member(pageRun(1, 20), PAGE_SIZE, 1, 5)]))).toEqual([[1, 1, 20]]);
    expect(shapesOf(planned([member(pageRun(1, 20), PAGE_SIZE, 100)]))).toEqual([[1, 100, 20]]);
  });

  it('uses no level when no row has a past', () => {
    const planner = planned([]);
    planner.plan(5);
    expect(shapesOf(planner)).toEqual([]);
    expect(planner.stats).toMatchObject({ uniquePages: 0, savedPageReads: 0, paddingPageReads: 0 });
  });

  it('does not pad short tails to the length of a long one', () => {
    const planner = planned(many(16, (at, own) => member(own(at === 5 ? 100 : 4), PAGE_SIZE)));
    expect(shapesOf(planner).sort((left, right) => left[2]! - right[2]!)).toEqual([
      [16, 1, 4],
      [2, 1, 100],
    ]);
  });

  it('does not pad the groups of decodes to the rows of a chunk', () => {
    const chunk = member([...SYSTEM, ...pageRun(50_000, 16)], PAGE_SIZE, 200);
    const members = [...many(32, (_, own) => member([...SYSTEM, ...own(4)], PAGE_SIZE)), chunk];
    const shapes = shapesOf(planned(members));
    // All rows over the system prompt; the tails; and the chunk's own past, cut so that the group that reads nothing is small.
    expect(shapes[0]).toEqual([1, 232, 64]);
    expect(shapes[1]).toEqual([33, 1, 4]);
    expect(shapes[2]![0]! * shapes[2]![1]!).toBeLessThan(300);
  });

  it('splits the rows of a chunk when there is no level left for it', () => {
    const members = [
      ...many(32, (at, own) => member([...pageRun(1, 16), ...PRODUCTS[at % 8]!, ...own(4)], PAGE_SIZE)),
      member([...pageRun(1, 16), ...PRODUCTS[3]!, ...pageRun(50_000, 8)], PAGE_SIZE, 200),
    ];
    const planner = planned(members);
    for (const [groups, rows] of shapesOf(planner)) expect(groups! * rows!).toBeLessThan(2 * 232);
    expect(costOf(planner, 232)).toBeLessThan(costOf(planned(members, 'flat'), 232) * 0.6);
  });

  it('reads a page that two rows share twice, rather than use a level for it', () => {
    expect(shapesOf(planned(many(2, (_, own) => member([7, ...own(3)], PAGE_SIZE))))).toEqual([[2, 1, 4]]);
  });

  it('folds a tree that is deeper than the levels', () => {
    const members = many(24, (at, own) =>
      member(
        [...pageRun(1, 20), ...pageRun(100 + 50 * (at % 2), 20), ...pageRun(1_000 + 50 * (at % 4), 20), ...own(2)],
        PAGE_SIZE,
      ),
    );
    const planner = planned(members);
    expect(shapesOf(planner)).toHaveLength(3);
    // 1 x 20 + 2 x 20 + 4 x 20 shared pages and 48 own ones cannot be read in three levels; one run is read by its children.
    expect(planner.stats.uniquePages).toBe(140 + 48);
    expect(costOf(planner, 24)).toBeLessThan(costOf(planned(members, 'flat'), 24) / 3);
  });

  it('points rows that read nothing at a level into a group of no tokens', () => {
    const members = [...many(8, (_, own) => member([...SYSTEM, ...own(2)], PAGE_SIZE)), member([9_000], PAGE_SIZE)];
    const planner = planned(members);
    const shared = planner.levels.find(({ pagesPerGroup }) => pagesPerGroup === 64)!;
    const group = Math.floor(shared.rowAt[8]! / shared.rowsPerGroup);
    expect(shared.tokens[group]).toBe(0);
  });

  it('reads every sequence for itself in flat mode', () => {
    const planner = planned(
      many(8, (_, own) => member([...SYSTEM, ...own(4)], PAGE_SIZE)),
      'flat',
    );
    expect(shapesOf(planner)).toEqual([[8, 1, 68]]);
    expect(planner.stats.savedPageReads).toBe(0);
  });
});
