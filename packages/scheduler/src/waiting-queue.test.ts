import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { request } from './scheduler.testing.ts';
import { Sequence } from './sequence.ts';
import { isBefore, WaitingQueue } from './waiting-queue.ts';

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

  it('keeps its order when sequences are taken out of the middle', () => {
    const removals = fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 99 })), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(removals, (steps) => {
        const queue = new WaitingQueue();
        const inside: Sequence[] = [];
        for (const [id, [priority, choice]] of steps.entries()) {
          const added = sequence(id, priority);
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
