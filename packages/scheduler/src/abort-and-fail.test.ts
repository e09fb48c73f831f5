import { describe, expect, it } from 'vitest';
import { checkScheduler } from './check-scheduler.ts';
import { INTERNALS } from './internals.ts';
import { commit, drain, type Ended, range, rowsOf, steps, submit, type World, worldOf } from './scheduler.testing.ts';

function expectIdle({ scheduler, kv }: World): void {
  expect(checkScheduler(scheduler)).toEqual([]);
  expect(scheduler.waitingCount + scheduler.runningCount).toBe(0);
  expect(kv.stats()).toMatchObject({ leases: 0, privatePages: 0, detachedPages: 0 });
}

describe('Scheduler.abort', () => {
  it('ends a waiting sequence at once', () => {
    const world = worldOf();
    const id = submit(world.scheduler, [1, 2, 3]);
    expect(world.scheduler.abort(id)).toBe(true);
    expect(world.scheduler.usage(id)).toMatchObject({ computedTokens: 0, completionTokens: 0 });
    expect(world.scheduler.plan()).toBeUndefined();
    expectIdle(world);
  });

  it('ends a running sequence between two steps at once, and keeps its published pages', () => {
    const world = worldOf({ tokenBudget: 8 });
    const id = submit(world.scheduler, range(0, 20));
    steps(world, 1);
    expect(world.scheduler.abort(id)).toBe(true);
    expect(world.kv.stats().publishedPages).toBe(2);
    expectIdle(world);
  });

  it('waits for the commit while a step is in flight, reports the end there, and publishes nothing of the step', () => {
    const world = worldOf();
    const aborted = submit(world.scheduler, range(0, 20));
    const other = submit(world.scheduler, range(50, 3));
    const plan = world.scheduler.plan()!;
    expect(world.scheduler.abort(aborted)).toBe(true);
    expect(world.kv.stats().leases).toBe(2);
    const ended = new Map<number, Ended>();
    commit(world.scheduler, world.executor, plan, ended);
    expect(ended.get(aborted)).toMatchObject({ reason: 'abort', usage: { computedTokens: 20, completionTokens: 1 } });
    expect(world.kv.stats()).toMatchObject({ leases: 1, publishedPages: 0 });
    expect([...drain(world.scheduler, world.executor).keys()]).toEqual([other]);
    expectIdle(world);
  });

  it('reports one that was waiting while the step was in flight, too', () => {
    const world = worldOf({ maxSequences: 1 });
    submit(world.scheduler, [1]);
    const waiting = submit(world.scheduler, [2]);
    const plan = world.scheduler.plan()!;
    world.scheduler.abort(waiting);
    const report = world.scheduler.commit(plan, world.executor.run(plan));
    expect([...report.finished.subarray(0, report.finishedCount)]).toEqual([waiting]);
    expect(report.finishReasons).toEqual(['abort']);
  });

  it('wins over an end that the same step brings', () => {
    const world = worldOf();
    const id = submit(world.scheduler, [1, 2], { maxTokens: 1 });
    const plan = world.scheduler.plan()!;
    world.scheduler.abort(id);
    const ended = new Map<number, Ended>();
    commit(world.scheduler, world.executor, plan, ended);
    expect(ended.get(id)?.reason).toBe('abort');
    expectIdle(world);
  });

  it('is false for the unknown, the ended and the already aborted', () => {
    const world = worldOf();
    const id = submit(world.scheduler, [1, 2], { maxTokens: 1 });
    expect(world.scheduler.abort(id + 1)).toBe(false);
    const plan = world.scheduler.plan()!;
    expect([world.scheduler.abort(id), world.scheduler.abort(id)]).toEqual([true, false]);
    commit(world.scheduler, world.executor, plan);
    expect(world.scheduler.abort(id)).toBe(false);
  });

  it('returns the pages whatever the sequence was doing', () => {
    const states = new Set<string>();
    for (const at of range(0, 40)) {
      const world = worldOf({ pages: 20, tokenBudget: 10, maxSequences: 3 });
      const ids = range(0, 6).map((n) => submit(world.scheduler, [...range(0, 25), n % 2, n], { maxTokens: 8 }));
      steps(world, at % 20);
      const id = ids[at % 6]!;
      const sequence = world.scheduler[INTERNALS]().book.findLive(id);
      states.add(sequence?.state ?? 'ended');
      expect(world.scheduler.abort(id)).toBe(sequence !== undefined);
      expect(checkScheduler(world.scheduler)).toEqual([]);
      for (const other of ids) world.scheduler.abort(other);
      expectIdle(world);
    }
    expect([...states].sort()).toEqual(['ended', 'parked', 'running', 'waiting']);
  });
});

describe('Scheduler.fail', () => {
  it('ends the sequences of the step, publishes nothing of it, and leaves the others unharmed', () => {
    const world = worldOf({ maxSequences: 2, tokenBudget: 32 });
    const [first, second] = [submit(world.scheduler, range(0, 12)), submit(world.scheduler, range(50, 12))];
    const waiting = submit(world.scheduler, range(80, 5));
    steps(world, 1);
    const { publishedPages } = world.kv.stats();
    const plan = world.scheduler.plan()!;
    expect(rowsOf(plan)).toHaveLength(2);
    expect(world.scheduler.fail(plan)).toEqual([first, second]);
    expect(world.kv.stats()).toMatchObject({ leases: 0, publishedPages });
    expect(world.scheduler.usage(first).completionTokens).toBe(1);
    expect([...drain(world.scheduler, world.executor).keys()]).toEqual([waiting]);
    expectIdle(world);
  });

  it('gives back the sources of copies that were not performed', () => {
    const world = worldOf();
    submit(world.scheduler, range(0, 6), { maxTokens: 1 });
    drain(world.scheduler, world.executor);
    submit(world.scheduler, range(0, 6));
    const plan = world.scheduler.plan()!;
    expect(plan.copyCount).toBe(1);
    world.scheduler.fail(plan);
    expectIdle(world);
    expect(world.kv.evictablePages).toBe(world.kv.stats().publishedPages);
  });

  it('ends those that were aborted meanwhile, also outside the step', () => {
    const world = worldOf({ maxSequences: 1 });
    const running = submit(world.scheduler, [1]);
    const waiting = submit(world.scheduler, [2]);
    const plan = world.scheduler.plan()!;
    world.scheduler.abort(waiting);
    expect(world.scheduler.fail(plan)).toEqual([running, waiting]);
    expectIdle(world);
  });
});
