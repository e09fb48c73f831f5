import { describe, expect, it } from 'vitest';
import { EvictionLists } from './eviction-lists.ts';
import type { NodeId } from './units.ts';

const nodes = (...ids: number[]) => ids as NodeId[];

function listsWith(...ids: number[]): EvictionLists {
  const lists = new EvictionLists(2, 8);
  for (const node of nodes(...ids)) lists.add(0, node);
  return lists;
}

describe('EvictionLists', () => {
  it('names the node that was added first, again and again until it is removed', () => {
    const lists = listsWith(3, 1, 2);
    expect([lists.oldest(0), lists.oldest(0)]).toEqual([3, 3]);
    lists.remove(0, 3 as NodeId);
    expect(lists.oldest(0)).toBe(1);
  });

  it('forgets a node that is removed, wherever it stands', () => {
    for (const [first = 0, ...rest] of [
      [3, 1, 2],
      [1, 3, 2],
      [1, 2, 3],
    ]) {
      const lists = listsWith(first, ...rest);
      lists.remove(0, 3 as NodeId);
      expect(lists.nodes(0)).toEqual([1, 2]);
    }
  });

  it('is empty after the last node is gone, and can be filled again', () => {
    const lists = listsWith(3);
    lists.remove(0, 3 as NodeId);
    expect([lists.oldest(0), lists.nodes(0)]).toEqual([undefined, []]);
    lists.add(0, 5 as NodeId);
    expect([lists.oldest(0), lists.nodes(0)]).toEqual([5, [5]]);
  });

  it('takes a node that was removed back as the newest', () => {
    const lists = listsWith(3, 1);
    lists.remove(0, 3 as NodeId);
    lists.add(0, 3 as NodeId);
    expect(lists.nodes(0)).toEqual([1, 3]);
  });

  it('stays as it is when a node that is in no list is removed', () => {
    const lists = listsWith(3, 1);
    lists.remove(0, 2 as NodeId);
    lists.remove(1, 2 as NodeId);
    lists.remove(0, 3 as NodeId);
    lists.remove(0, 3 as NodeId);
    expect([lists.nodes(0), lists.nodes(1)]).toEqual([[1], []]);
  });

  it('keeps lists apart', () => {
    const lists = listsWith(3, 1);
    lists.add(1, 2 as NodeId);
    lists.remove(0, 3 as NodeId);
    lists.add(1, 3 as NodeId);
    expect([lists.nodes(0), lists.nodes(1)]).toEqual([[1], [2, 3]]);
  });

  it('grows with node ids that were not foreseen', () => {
    const lists = listsWith(3, 7);
    for (const node of nodes(100, 40, 1_000)) lists.add(0, node);
    expect(lists.nodes(0)).toEqual([3, 7, 100, 40, 1_000]);
  });
});
