import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PROPERTY_RUNS } from './cache.testing.ts';
import { TimingWheel } from './timing-wheel.ts';

const NO_LIMIT = () => ({ left: Number.POSITIVE_INFINITY });

/** Everything that is due, in the order in which it comes. */
function drain(wheel: TimingWheel, nowMs: number, work = NO_LIMIT()): number[] {
  const due: number[] = [];
  for (let id = wheel.next(nowMs, work); id !== 0; id = wheel.next(nowMs, work)) due.push(id);
  return due;
}

describe('TimingWheel', () => {
  it('hands out each timer once it is due, never before', () => {
    const wheel = new TimingWheel(1_000);
    wheel.start(1, 1_005);
    wheel.start(2, 1_500_000);
    expect(drain(wheel, 1_004)).toEqual([]);
    expect(drain(wheel, 1_005)).toEqual([1]);
    expect(drain(wheel, 1_499_999)).toEqual([]);
    expect(drain(wheel, 9_000_000)).toEqual([2]);
    expect(wheel.count).toBe(0);
  });

  it('hands out at once what is due already', () => {
    const wheel = new TimingWheel(0);
    drain(wheel, 500);
    wheel.start(7, 100);
    expect(drain(wheel, 500)).toEqual([7]);
  });

  it('forgets a timer that was stopped, and takes the new time of one that was started again', () => {
    const wheel = new TimingWheel(0);
    wheel.start(1, 10);
    wheel.start(2, 10);
    wheel.stop(1);
    wheel.start(2, 70_000);
    expect(drain(wheel, 69_999)).toEqual([]);
    expect(drain(wheel, 70_000)).toEqual([2]);
  });

  it('does no more work than it is given, and says that it is behind', () => {
    const wheel = new TimingWheel(0);
    for (let id = 1; id <= 100; id++) wheel.start(id, 5_000);
    const work = { left: 30 };
    const first = drain(wheel, 5_000, work);
    expect(first.length).toBeLessThanOrEqual(30);
    expect(wheel.isBehind(5_000)).toBe(true);
    const rest = drain(wheel, 5_000);
    expect(first.length + rest.length).toBe(100);
    expect(wheel.isBehind(5_000)).toBe(false);
  });

  it('is not behind where nothing is due', () => {
    const wheel = new TimingWheel(0);
    expect(wheel.isBehind(1_000)).toBe(false);
    wheel.start(1, 100_000);
    drain(wheel, 1_000);
    expect(wheel.isBehind(1_000)).toBe(false);
  });

  it('agrees with a plain list of times, whatever is started, stopped and passed', () => {
    const starts = fc.record({ id: fc.integer({ min: 1, max: 20 }), inMs: fc.oneof(fc.nat(200), fc.nat(5_000_000)) });
    const command = fc.oneof(
      starts.map(({ id, inMs }) => ({ kind: 'start' as const, id, inMs })),
      fc.integer({ min: 1, max: 20 }).map((id) => ({ kind: 'stop' as const, id })),
      fc
        .tuple(fc.oneof(fc.nat(300), fc.nat(6_000_000)), fc.nat(8))
        .map(([ms, left]) => ({ kind: 'pass' as const, ms, left })),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40 }), (commands) => {
        const wheel = new TimingWheel(0);
        const times = new Map<number, number>();
        let nowMs = 0;
        for (const each of commands) {
          if (each.kind === 'start') {
            wheel.start(each.id, nowMs + each.inMs);
            times.set(each.id, nowMs + each.inMs);
          } else if (each.kind === 'stop') {
            wheel.stop(each.id);
            times.delete(each.id);
          } else {
            nowMs += each.ms;
            for (const id of drain(wheel, nowMs, { left: each.left })) {
              expect(times.get(id)).toBeLessThanOrEqual(nowMs);
              times.delete(id);
            }
          }
          expect(wheel.count).toBe(times.size);
        }
        for (const id of drain(wheel, nowMs))
          expect([id, (times.get(id) as number) <= nowMs, times.delete(id)]).toEqual([id, true, true]);
        // What is left is not due yet, and comes later.
        for (const [id, dueMs] of times) expect([id, dueMs > nowMs]).toEqual([id, true]);
        expect(drain(wheel, nowMs + 10_000_000).length).toBe(times.size);
      }),
      { numRuns: PROPERTY_RUNS },
    );
  });
});
