import { describe, expect, it } from 'vitest';
import { type Member, member, pageRun, pastOf } from './attention.testing.ts';
import { PageForest, ROOT } from './page-forest.ts';

const PAGE_SIZE = 4;

interface Run {
  /** Members below, in order of their number. */
  readonly members: number[];
  readonly pages: [from: number, end: number];
  readonly rows: number;
}

function forestOf(members: readonly Member[]): PageForest {
  const forest = new PageForest(pastOf(members).past, PAGE_SIZE);
  forest.build();
  return forest;
}

/** The shared runs and the private ones, each from the end of its parent. */
function runsOf(forest: PageForest): { readonly shared: Run[]; readonly own: Run[] } {
  const runs = Array.from({ length: forest.nodeCount }, (_, node): Run => {
    const parent = forest.parent[node]!;
    const places = Array.from(
      { length: forest.last[node]! - forest.first[node]! + 1 },
      (_, at) => forest.first[node]! + at,
    );
    return {
      members: places.map((place) => forest.memberAt(place)).sort((left, right) => left - right),
      pages: [parent === ROOT ? 0 : forest.end[parent]!, forest.end[node]!],
      rows: forest.rows[node]!,
    };
  });
  const byMembers = (left: Run, right: Run): number => left.members[0]! - right.members[0]! || right.rows - left.rows;
  return {
    shared: runs.slice(0, forest.sharedCount).sort(byMembers),
    own: runs.slice(forest.sharedCount).sort(byMembers),
  };
}

describe('PageForest', () => {
  it('finds the system prompt of all, the product of some, and the tail of each', () => {
    const system = pageRun(1, 4);
    const product = pageRun(20, 5);
    const forest = forestOf([
      member([...system, ...product, 40], PAGE_SIZE),
      member([...system, 50, 51], PAGE_SIZE, 1, 3),
      member([...system, ...product, 60], PAGE_SIZE, 3),
      member([90, 91], PAGE_SIZE),
    ]);
    expect(runsOf(forest)).toEqual({
      shared: [
        { members: [0, 1, 2], pages: [0, 4], rows: 5 },
        { members: [0, 2], pages: [4, 9], rows: 4 },
      ],
      own: [
        { members: [0], pages: [9, 10], rows: 1 },
        { members: [1], pages: [4, 6], rows: 1 },
        { members: [2], pages: [9, 10], rows: 3 },
        { members: [3], pages: [0, 2], rows: 1 },
      ],
    });
    expect(forest.uniquePages).toBe(4 + 5 + 1 + 2 + 1 + 2);
    expect(forest.flatPageReads).toBe(10 + 6 + 3 * 10 + 2);
  });

  it('shares only pages that are filled completely', () => {
    const forest = forestOf([member([1, 2], PAGE_SIZE, 1, 1), member([1, 2], PAGE_SIZE, 1, 1)]);
    expect(runsOf(forest).shared).toEqual([{ members: [0, 1], pages: [0, 1], rows: 2 }]);
  });

  it('gives a sequence whose past is shared entirely a leaf without pages', () => {
    const forest = forestOf([member([1, 2], PAGE_SIZE), member([1, 2, 3], PAGE_SIZE), member([1, 2], PAGE_SIZE)]);
    expect(runsOf(forest).own.map(({ pages }) => pages)).toEqual([
      [2, 2],
      [2, 3],
      [2, 2],
    ]);
  });

  it('builds a chain where each sequence leaves a common text later', () => {
    const forest = forestOf([3, 1, 2, 4].map((pages, at) => member([...pageRun(1, pages), 50 + at], PAGE_SIZE)));
    expect(runsOf(forest).shared.sort((left, right) => left.pages[0] - right.pages[0])).toEqual([
      { members: [0, 1, 2, 3], pages: [0, 1], rows: 4 },
      { members: [0, 2, 3], pages: [1, 2], rows: 3 },
      { members: [0, 3], pages: [2, 3], rows: 2 },
    ]);
  });

  it('has no shared run where nothing is shared', () => {
    const forest = forestOf([member([1], PAGE_SIZE), member([2], PAGE_SIZE), member([3], PAGE_SIZE)]);
    expect(forest).toMatchObject({ sharedCount: 0, nodeCount: 3, uniquePages: 3, flatPageReads: 3 });
  });
});
