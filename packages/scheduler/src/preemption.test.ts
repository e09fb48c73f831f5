import { pagesFor } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import { MAX_PREEMPTIONS } from './admission.ts';
import { checkScheduler } from './check-scheduler.ts';
import { INTERNALS } from './internals.ts';
import { type Ended, oracle, range, steps, submit, type World, worldOf } from './scheduler.testing.ts';
import type { Sequence } from './sequence.ts';

/** Steps until nobody is left, with a look at every live sequence after each. */
function watch(world: World, look: (sequence: Sequence) => void): Map<number, Ended> {
  const ended = new Map<number, Ended>();
  for (let at = 0; at < 2_000; at += 1) {
    if (steps(world, 1, ended)[0]!.length === 0) return ended;
    expect(checkScheduler(world.scheduler)).toEqual([]);
    for (const sequence of world.scheduler[INTERNALS]().book.live()) look(sequence);
  }
  throw new Error('not drained');
}

/** The sequences that were preempted, in order. */
function preempted(world: World): { readonly order: number[]; readonly ended: Map<number, Ended> } {
  const order: number[] = [];
  const seen = new Map<number, number>();
  const ended = watch(world, ({ id, preemptions }) => {
    if (preemptions > (seen.get(id) ?? 0)) order.push(id);
    seen.set(id, preemptions);
  });
  return { order, ended };
}

/** Many sequences that all grow in a pool much too small for them. */
function crowd(): { readonly world: World; readonly prompts: ReadonlyMap<number, number[]> } {
  const world = worldOf({ pages: 21, pageSize: 2, maxSequences: 8, tokenBudget: 12 });
  const prompts = new Map<number, number[]>();
  for (const at of range(0, 14)) {
    const prompt = range(100 * at, 2 + ((at * 5) % 11));
    prompts.set(submit(world.scheduler, prompt, { maxTokens: 20 }), prompt);
  }
  return { world, prompts };
}

describe('preemption', () => {
  it('takes the lowest priority, and of equal ones the latest admitted', () => {
    const world = worldOf({ pages: 13 });
    submit(world.scheduler, range(0, 12), { maxTokens: 16, priority: 9 });
    const low = submit(world.scheduler, range(100, 12), { maxTokens: 12, priority: 1 });
    const lowLater = submit(world.scheduler, range(200, 8), { maxTokens: 12, priority: 1 });
    const high = submit(world.scheduler, range(300, 4), { maxTokens: 12, priority: 2 });
    const { order, ended } = preempted(world);
    expect(order.slice(0, 2)).toEqual([lowLater, low]);
    expect(order).not.toContain(high);
    expect(ended.size).toBe(4);
  });

  it('never takes the oldest, however little urgent it is', () => {
    const world = worldOf({ pages: 11 });
    const oldest = submit(world.scheduler, range(0, 12), { maxTokens: 20 });
    steps(world, 1);
    for (const at of range(1, 3)) submit(world.scheduler, range(100 * at, 8), { maxTokens: 12, priority: 5 });
    const { order, ended } = preempted(world);
    expect(order.length).toBeGreaterThan(0);
    expect(order).not.toContain(oldest);
    expect(ended.size).toBe(4);
  });

  it('takes the victim out of a step that it was already scheduled for', () => {
    const world = worldOf({ pages: 8 });
    const oldest = submit(world.scheduler, range(0, 5), { maxTokens: 4 });
    steps(world, 1);
    const low = submit(world.scheduler, range(100, 7), { maxTokens: 8 });
    steps(world, 1);
    const high = submit(world.scheduler, range(200, 8), { maxTokens: 8, priority: 1 });
    steps(world, 1);
    // 6 of 7 pages are taken; the low one gets the seventh, and the high one, which comes after it, takes it back.
    expect(steps(world, 1)).toEqual([
      [
        [oldest, 1],
        [high, 1],
      ],
    ]);
    expect(world.scheduler.usage(low).preemptions).toBe(1);
    const { ended } = preempted(world);
    expect(ended.get(low)?.tokens).toEqual(oracle(range(100, 7), 8, world.executor.options));
  });

  it('resumes from the published pages that are still there, and counts what it runs again', () => {
    const world = worldOf({ pages: 12 });
    submit(world.scheduler, range(0, 16), { maxTokens: 9 });
    const victim = submit(world.scheduler, range(100, 18), { maxTokens: 8 });
    const { order, ended } = preempted(world);
    expect(order).toEqual([victim]);
    const { usage, tokens } = ended.get(victim)!;
    expect(usage).toMatchObject({ promptTokens: 18, cachedTokens: 0, computedTokens: 18, preemptions: 1 });
    expect(usage.recomputedTokens).toBeGreaterThan(0);
    expect(usage.recomputedTokens).toBeLessThan(18);
    expect(tokens).toEqual(oracle(range(100, 18), 8, world.executor.options));
  });

  it('happens to nobody more than three times, and leaves every answer as it was', () => {
    const { world, prompts } = crowd();
    const { order, ended } = preempted(world);
    const most = Math.max(...[...ended.values()].map(({ usage }) => usage.preemptions));
    expect(most).toBe(MAX_PREEMPTIONS);
    expect(order.length).toBeGreaterThan(10);
    for (const [id, prompt] of prompts)
      expect(ended.get(id)?.tokens).toEqual(oracle(prompt, 20, world.executor.options));
  });

  it('is ended by an admission with the whole remaining need reserved', () => {
    const { world } = crowd();
    const tables = new Set<boolean>();
    watch(world, (sequence) => {
      if (sequence.state !== 'running' || sequence.preemptions < MAX_PREEMPTIONS) return;
      tables.add(sequence.lease?.pageCount === pagesFor(sequence.wholeTokens, world.kv.pageSize));
      expect(sequence.isReserved).toBe(true);
    });
    expect([...tables]).toEqual([true]);
  });
});
