import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { request } from './scheduler.testing.ts';
import { Sequence } from './sequence.ts';
import { isBefore, OVERTAKING_ARRIVALS, WaitingQueue } from './waiting-queue.ts';

function sequence(id: number, priority: number): Sequence {
  return new Sequence(id, request([1], { priority }));
}

describe('WaitingQueue', () => {
  it('gives the most urgent first, and of equal ones the first that came', () => {
    const queue = new WaitingQueue();
    const all = [0, 2, 1, 2, 0].map((priority, at) => sequence(at, priority));
    for (const one of all) queue.push(one);
    const order: number[] = [];
    for (let first = queue.first(); first !== undefined; first = queue.first()) {
      order.push(first.id);
      queue.remove(first);
    }
    expect(order).toEqual([1, 3, 2, 0, 4]);
    expect(queue.count).toBe(0);
  });

  it('lets go first who waited for most pages, among those that came at one time', () => {
    const [cold, fewer, more, later] = [0, 1, 2, OVERTAKING_ARRIVALS].map((id) => sequence(id, 0)) as [
      Sequence,
      Sequence,
      Sequence,
      Sequence,
    ];
    fewer.foundPages = 4;
    more.foundPages = 48;
    later.foundPages = 99;
    const queue = new WaitingQueue();
    for (const one of [later, cold, fewer, more]) queue.push(one);
    const order: Sequence[] = [];
    for (let first = queue.first(); first !== undefined; first = queue.first()) {
      order.push(first);
      queue.remove(first);
    }
    expect(order).toEqual([more, fewer, cold, later]);
  });

  it('keeps its order when sequences are taken out of the middle', () => {
    const removals = fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 99 })), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(removals, (steps) => {
        const queue = new WaitingQueue();
        const inside: Sequence[] = [];
        for (const [id, [priority, choice]] of steps.entries()) {
          const added = sequence(100 * id, priority);
          added.foundPages = choice % 5;
          queue.push(added);
          inside.push(added);
          if (choice % 3 === 0) queue.remove(inside.splice(choice % inside.length, 1)[0]!);
          const first = [...inside].sort((left, right) => (isBefore(left, right) ? -1 : 1))[0];
          expect(queue.first()).toBe(first);
          expect(queue.count).toBe(inside.length);
        }
      }),
    );
  });
});
