import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHILD_LINKS, type ChildColumns, ChildTrees, LINKS_PER_NODE } from './child-trees.ts';
import { INTERNALS } from './internals.ts';
import type { NodeId } from './units.ts';

const PARENT = 1 as NodeId;

function childrenOf(trees: ChildTrees, parent = PARENT): number[] {
  const children: number[] = [];
  for (let at = trees.first(parent); at !== 0; at = trees.next(at)) children.push(at);
  return children;
}

function childrenBackwards(trees: ChildTrees): number[] {
  const children: number[] = [];
  for (let at = childrenOf(trees).at(-1) as NodeId | undefined; at !== undefined && at !== 0; at = trees.previous(at))
    children.push(at);
  return children;
}

/** Hangs a node in at a place of the list that the tree stands for, and says what the list is then. */
function insertAt(trees: ChildTrees, list: readonly number[], place: number, child: number): number[] {
  const below = (list[place - 1] ?? 0) as NodeId;
  const above = (list[place] ?? 0) as NodeId;
  trees.insert(PARENT, child as NodeId, { below, above });
  return [...list.slice(0, place), child, ...list.slice(place)];
}

function depthOf({ links }: ChildColumns, child: number): number {
  const over = (node: number) => links[node * LINKS_PER_NODE + CHILD_LINKS.over] as number;
  let depth = 1;
  for (let at = over(child); at !== 0; at = over(at)) depth++;
  return depth;
}

describe('ChildTrees', () => {
  it('keep the order that nodes were put in, whatever comes, goes and is replaced', () => {
    const command = fc.record({ kind: fc.constantFrom('insert', 'insert', 'remove', 'replace'), at: fc.nat(1_000) });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const trees = new ChildTrees(100);
        let list: number[] = [];
        let next = 2;
        for (const { kind, at } of commands) {
          if (kind === 'insert' || list.length === 0) {
            list = insertAt(trees, list, at % (list.length + 1), next++);
          } else {
            const place = at % list.length;
            const child = list[place] as NodeId;
            if (kind === 'remove') trees.remove(PARENT, child);
            else trees.replace(PARENT, child, next as NodeId);
            list = [...list.slice(0, place), ...(kind === 'remove' ? [] : [next++]), ...list.slice(place + 1)];
          }
          expect(childrenOf(trees)).toEqual(list);
          expect(childrenBackwards(trees)).toEqual(list.toReversed());
          expect(trees.count(PARENT)).toBe(list.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('keep the trees of different parents apart', () => {
    const trees = new ChildTrees(100);
    const [one, other] = [1, 2] as NodeId[] as [NodeId, NodeId];
    for (let child = 10; child < 20; child++) {
      const parent = child % 2 === 0 ? one : other;
      trees.insert(parent, child as NodeId, {
        below: (childrenOf(trees, parent).at(-1) ?? 0) as NodeId,
        above: 0 as NodeId,
      });
    }
    trees.clear(one);
    expect([childrenOf(trees, one), childrenOf(trees, other)]).toEqual([[], [11, 13, 15, 17, 19]]);
    trees.grow(1_000);
    trees.insertOnly(one, 999 as NodeId);
    expect([childrenOf(trees, one), childrenOf(trees, other)]).toEqual([[999], [11, 13, 15, 17, 19]]);
  });

  it('stay shallow when nodes come in order, and when the same ids come again and again', () => {
    const count = 20_000;
    const trees = new ChildTrees(count + 2);
    const columns = trees[INTERNALS]();
    const fill = () => {
      for (let child = 2; child < count + 2; child++)
        trees.insert(PARENT, child as NodeId, { below: (child === 2 ? 0 : child - 1) as NodeId, above: 0 as NodeId });
    };
    fill();
    for (let round = 0; round < 3; round++) {
      for (let child = 2; child < count + 2; child += 2) trees.remove(PARENT, child as NodeId);
      for (let child = count; child >= 2; child -= 2) {
        const above = (child + 1) as NodeId;
        trees.insert(PARENT, child as NodeId, { below: trees.previous(above), above });
      }
    }
    expect(childrenOf(trees)).toEqual(Array.from({ length: count }, (_, at) => at + 2));
    const depths = Array.from({ length: count }, (_, at) => depthOf(columns, at + 2));
    // 1.39 log2(n) on average, 4.31 ln(n) at the deepest are what theory expects of random shapes: 20 and 43.
    expect(depths.reduce((sum, depth) => sum + depth, 0) / count).toBeLessThan(25);
    expect(Math.max(...depths)).toBeLessThan(50);
  });
});
