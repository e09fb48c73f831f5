import { describe, expect, it } from 'vitest';
import { EvictionOrder } from './eviction-order.ts';
import type { NodeId } from './units.ts';

const nodes = (...ids: number[]) => ids as NodeId[];

function orderOf(...ids: number[]): EvictionOrder {
  const order = new EvictionOrder(8);
  for (const node of nodes(...ids)) order.add(node);
  return order;
}

describe('EvictionOrder', () => {
  it('names the node that was added first, again and again until it is removed', () => {
    const order = orderOf(3, 1, 2);
    expect([order.victim(), order.victim()]).toEqual([3, 3]);
    order.remove(3 as NodeId);
    expect(order.victim()).toBe(1);
  });

  it('forgets a node that is removed, wherever it stands', () => {
    const order = orderOf(3, 1, 2);
    for (const node of nodes(1, 2)) order.remove(node);
    expect(order.list()).toEqual([3]);
    order.remove(3 as NodeId);
    expect(order.list()).toEqual([]);
    expect(order.victim()).toBeUndefined();
  });

  it('keeps the only node when another one is removed', () => {
    const order = orderOf(3);
    order.remove(1 as NodeId);
    expect(order.list()).toEqual([3]);
  });

  it('lists the victim first, and nodes that are added later behind all others', () => {
    const order = orderOf(3, 1);
    order.victim();
    order.add(2 as NodeId);
    expect(order.list()).toEqual([3, 1, 2]);
  });

  it('takes a victim that was removed back as the newest', () => {
    const order = orderOf(3, 1);
    const victim = order.victim() as NodeId;
    order.remove(victim);
    order.add(victim);
    expect(order.list()).toEqual([1, 3]);
  });
});
