import { createKvCache } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import { checkScheduler } from './check-scheduler.ts';
import { drain, TinyExecutor } from './scheduler.testing.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import type { SchedulerOptions } from './scheduler-options.ts';

const WORLD = { pages: 40, pageSize: 4, alphabet: 7 };

function schedulerWith(saltQuota: NonNullable<SchedulerOptions['saltQuota']>): Scheduler {
  const kv = createKvCache({ pages: WORLD.pages, pageSize: WORLD.pageSize });
  return createScheduler({ kv, maxSequences: 4, tokenBudget: 64, maxWaiting: 9, saltQuota, checks: 'every-step' });
}

function submit(scheduler: Scheduler, salt: string, seed: number, tokens = 8) {
  const prompt = Uint32Array.from({ length: tokens }, (_, at) => (at * 3 + seed) % 7);
  return scheduler.submit({ prompt, maxTokens: 3, salt, priority: 0, mode: 'share', logits: 'last' });
}

/** Salts of the sequences in the next step, which is run. */
function step(scheduler: Scheduler, executor: TinyExecutor): number {
  const plan = scheduler.plan();
  if (plan === undefined) return 0;
  const { sequenceCount } = plan;
  scheduler.commit(plan, executor.run(plan));
  expect(checkScheduler(scheduler)).toEqual([]);
  return sequenceCount;
}

describe('the quota of a salt', () => {
  it('holds its surplus aside, and lets others pass', () => {
    const scheduler = schedulerWith({ maxRunning: 1 });
    for (let seed = 0; seed < 3; seed++) submit(scheduler, 'greedy', seed);
    submit(scheduler, 'modest', 1);
    const executor = new TinyExecutor(WORLD);
    expect(step(scheduler, executor)).toBe(2);
    expect([scheduler.runningCount, scheduler.waitingCount]).toEqual([2, 2]);
    expect(drain(scheduler, executor).size).toBe(4);
    expect([scheduler.runningCount, scheduler.waitingCount]).toEqual([0, 0]);
  });

  it('counts the pages that a sequence may come to need, and refuses at the door what never fits', () => {
    // 8 + 3 - 1 tokens: 3 pages each.
    const scheduler = schedulerWith({ maxPages: 7 });
    for (let seed = 0; seed < 3; seed++) submit(scheduler, 'a', seed);
    const executor = new TinyExecutor(WORLD);
    expect(step(scheduler, executor)).toBe(2);
    expect(submit(scheduler, 'a', 1, 30)).toEqual({ ok: false, reason: 'too-long', needed: 8, available: 7 });
    expect(drain(scheduler, executor).size).toBe(3);
  });

  it('lets go of a sequence that is held, when it is aborted', () => {
    const scheduler = schedulerWith({ maxRunning: 1 });
    const ids = [0, 1, 2].map((seed) => submit(scheduler, 'a', seed));
    const executor = new TinyExecutor(WORLD);
    step(scheduler, executor);
    const held = ids[2];
    expect(held?.ok && scheduler.abort(held.sequence)).toBe(true);
    expect(checkScheduler(scheduler)).toEqual([]);
    expect(drain(scheduler, executor).size).toBe(2);
    expect(scheduler.waitingCount).toBe(0);
  });

  it('is refused when it is no number of sequences', () => {
    expect(() => schedulerWith({ maxRunning: 0 })).toThrow(/saltQuota.maxRunning is 0/);
    expect(() => schedulerWith({ maxrunning: 1 } as object)).toThrow(/Unknown option maxrunning/);
  });
});

describe('a pin budget', () => {
  it('is not there for requests: the door refuses what would need it', () => {
    const kv = createKvCache({ pages: 20, pageSize: 4, pinBudgetPages: 9 });
    const scheduler = createScheduler({ kv, maxSequences: 2, tokenBudget: 64, maxWaiting: 9, watermarkPages: 0 });
    expect(scheduler.maxSequencePages).toBe(10);
    expect(submit(scheduler, '', 0, 40)).toEqual({ ok: false, reason: 'too-long', needed: 11, available: 10 });
  });

  it('never starves what runs: all pinned, and the longest request is served', () => {
    const kv = createKvCache({ pages: 20, pageSize: 4, pinBudgetPages: 9 });
    const scheduler = createScheduler({ kv, maxSequences: 2, tokenBudget: 64, maxWaiting: 9, watermarkPages: 0 });
    const executor = new TinyExecutor({ ...WORLD, pages: 20 });
    submit(scheduler, '', 0, 34);
    drain(scheduler, executor);
    const prompt = Uint32Array.from({ length: 34 }, (_, at) => (at * 3) % 7);
    expect(kv.pin({ tokens: prompt, tokenCount: 34, salt: '' })).toMatchObject({ outcome: 'granted', newPages: 9 });
    expect(submit(scheduler, 'another', 1, 38)).toMatchObject({ ok: true });
    expect(drain(scheduler, executor).size).toBe(1);
    expect(kv.stats().pinnedPages).toBe(9);
    expect(checkScheduler(scheduler)).toEqual([]);
  });
});
