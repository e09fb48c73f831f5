import { describe, expect, it } from 'vitest';
import { codeOf, rowsOf, submit, worldOf } from './scheduler.testing.ts';

describe('the step in flight', () => {
  it('throws when the last step was not committed', () => {
    const world = worldOf();
    submit(world.scheduler, [1]);
    world.scheduler.plan();
    expect(codeOf(() => world.scheduler.plan())).toBe('STEP_IN_FLIGHT');
  });

  it('takes each plan once', () => {
    const world = worldOf();
    submit(world.scheduler, [1]);
    const plan = world.scheduler.plan()!;
    const result = world.executor.run(plan);
    world.scheduler.commit(plan, result);
    expect(codeOf(() => world.scheduler.commit(plan, result))).toBe('NO_STEP_IN_FLIGHT');
    expect(codeOf(() => world.scheduler.fail(plan))).toBe('NO_STEP_IN_FLIGHT');
  });

  it('rejects a result that does not fit, and can still commit the right one', () => {
    const world = worldOf();
    const id = submit(world.scheduler, [1, 2], { maxTokens: 1 });
    const plan = world.scheduler.plan()!;
    const short = { tokens: new Int32Array(0), stops: new Uint8Array(0) };
    expect(codeOf(() => world.scheduler.commit(plan, short))).toBe('INVALID_RESULT');
    const negative = { tokens: Int32Array.of(-1), stops: Uint8Array.of(0) };
    expect(codeOf(() => world.scheduler.commit(plan, negative))).toBe('INVALID_RESULT');
    const report = world.scheduler.commit(plan, world.executor.run(plan));
    expect([...report.finished.subarray(0, report.finishedCount)]).toEqual([id]);
  });

  it('notices in debug mode that somebody wrote into the plan', () => {
    const world = worldOf({ checks: 'every-step' });
    submit(world.scheduler, [1, 2]);
    const plan = world.scheduler.plan()!;
    const result = world.executor.run(plan);
    plan.tokens[1] = 7;
    expect(codeOf(() => world.scheduler.commit(plan, result))).toBe('PLAN_CHANGED');
    plan.tokens[1] = 2;
    expect(rowsOf(plan)).toHaveLength(1);
    expect(() => world.scheduler.commit(plan, result)).not.toThrow();
  });
});
