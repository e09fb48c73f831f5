import { describe, expect, it } from 'vitest';
import { checkScheduler } from './check-scheduler.ts';
import { planDigest } from './plan-digest.ts';
import {
  codeOf,
  commit,
  drain,
  type Ended,
  oracle,
  range,
  steps,
  submit,
  TinyExecutor,
  worldOf,
} from './scheduler.testing.ts';

describe('Scheduler.plan', () => {
  it('schedules decodes before chunks, each in order of admission, within the token budget', () => {
    const world = worldOf({ tokenBudget: 10 });
    const first = submit(world.scheduler, range(0, 3), { maxTokens: 10 });
    const second = submit(world.scheduler, range(10, 3), { maxTokens: 10 });
    steps(world, 1);
    const long = submit(world.scheduler, range(100, 30));
    const short = submit(world.scheduler, range(200, 2));
    expect(steps(world, 5)).toEqual([
      [
        [first, 1],
        [second, 1],
        [long, 8],
      ],
      [
        [first, 1],
        [second, 1],
        [long, 8],
      ],
      [
        [first, 1],
        [second, 1],
        [long, 8],
      ],
      [
        [first, 1],
        [second, 1],
        [long, 6],
        [short, 2],
      ],
      [
        [first, 1],
        [second, 1],
        [long, 1],
        [short, 1],
      ],
    ]);
  });

  it('runs no more than maxSequences at a time', () => {
    const world = worldOf({ maxSequences: 2 });
    for (const token of range(0, 5)) submit(world.scheduler, [token], { maxTokens: 1 });
    expect(steps(world, 4).map((rows) => rows.length)).toEqual([2, 2, 1, 0]);
  });

  it('admits by priority, then by arrival', () => {
    const world = worldOf({ maxSequences: 1 });
    const ids = [0, 1, 0, 2, 1].map((priority, at) => submit(world.scheduler, [at], { priority, maxTokens: 1 }));
    const order = steps(world, 5).map((rows) => ids.indexOf(rows[0]![0]));
    expect(order).toEqual([3, 1, 4, 0, 2]);
  });

  it('keeps the watermark free when it admits, and uses it when running sequences grow', () => {
    const world = worldOf({ pages: 11, watermarkPages: 3, maxSequences: 4 });
    const first = submit(world.scheduler, range(0, 16), { maxTokens: 10 });
    const second = submit(world.scheduler, range(50, 13), { maxTokens: 10 });
    // 4 + 4 of 10 pages would leave 2.
    expect(steps(world, 1)).toEqual([[[first, 16]]]);
    expect(world.kv.freePages).toBe(6);
    expect(drain(world.scheduler, world.executor).size).toBe(2);
    expect(world.scheduler.usage(second).preemptions).toBe(0);
  });

  it('lets nobody overtake a sequence that found no room', () => {
    const world = worldOf({ pages: 17, maxSequences: 8 });
    const running = range(0, 3).map((at) => submit(world.scheduler, range(at * 100, 16), { maxTokens: 4 + at }));
    steps(world, 1);
    const long = submit(world.scheduler, range(1_000, 56), { maxTokens: 2 });
    const admitted: number[] = [];
    for (let round = 0; round < 12; round += 1) {
      submit(world.scheduler, [2_000 + round], { maxTokens: 1 });
      for (const [id] of steps(world, 1)[0]!) if (!running.includes(id)) admitted.push(id);
    }
    expect(admitted[0]).toBe(long);
    expect(admitted.length).toBeGreaterThan(3);
  });

  it('gives a prompt as many tokens as there is room for, before anybody is preempted', () => {
    const world = worldOf({ pages: 9, tokenBudget: 16 });
    const first = submit(world.scheduler, range(0, 4), { maxTokens: 12 });
    steps(world, 1);
    const second = submit(world.scheduler, range(100, 25), { maxTokens: 1 });
    const rows = steps(world, 2);
    // 8 pages: 2 for the first; 15 tokens in 4 pages at once, 9 in the 2 that are left, the last one when there is a page again.
    expect(rows[0]).toEqual([
      [first, 1],
      [second, 15],
    ]);
    expect(rows[1]).toEqual([
      [first, 1],
      [second, 9],
    ]);
    const ended = drain(world.scheduler, world.executor);
    expect(ended.get(second)?.tokens).toHaveLength(26);
  });

  it('carries the copies of a lease in its first step only', () => {
    const world = worldOf();
    submit(world.scheduler, range(0, 6), { maxTokens: 1 });
    drain(world.scheduler, world.executor);
    submit(world.scheduler, range(0, 6), { maxTokens: 3 });
    const copies = range(0, 3).map(() => {
      const plan = world.scheduler.plan()!;
      const { copyCount } = plan;
      const rows = [...plan.copyTokens.subarray(0, copyCount)];
      commit(world.scheduler, world.executor, plan);
      return rows;
    });
    // Position 4 is copied from the sealed tail; position 5 is the last prompt token and always computed.
    expect(copies).toEqual([[1], [], []]);
  });

  it('plans the same for the same calls', () => {
    const digests = [0, 1].map(() => {
      const world = worldOf({ pages: 20, maxSequences: 5, tokenBudget: 12 });
      for (const at of range(0, 9))
        submit(world.scheduler, [...range(0, 7), at % 3, at], { priority: at % 2, maxTokens: 9 });
      return range(0, 30).map(() => {
        const plan = world.scheduler.plan();
        if (plan === undefined) return 0;
        const digest = planDigest(plan);
        commit(world.scheduler, world.executor, plan);
        return digest;
      });
    });
    expect(digests[0]).toEqual(digests[1]);
    expect(new Set(digests[0]).size).toBeGreaterThan(15);
  });

  it('has nothing to run when nobody waits', () => {
    const { scheduler } = worldOf();
    expect(scheduler.plan()).toBeUndefined();
    expect(scheduler.plan()).toBeUndefined();
  });

  it('says that leases outside the scheduler hold the pages, and goes on when they are released', () => {
    const world = worldOf({ pages: 5 });
    const tokens = Uint32Array.from(range(500, 12));
    const outside = { tokens, tokenCount: 12, salt: '', mode: 'bypass', roomTokens: 12, keepPages: 0 } as const;
    const held = world.kv.acquire(outside);
    if (!held.ok) throw new Error('the pool is empty');
    submit(world.scheduler, range(0, 8));
    expect(codeOf(() => world.scheduler.plan())).toBe('POOL_HELD_OUTSIDE');
    held.lease.release();
    expect(drain(world.scheduler, world.executor).size).toBe(1);

    submit(world.scheduler, range(100, 4), { maxTokens: 9 });
    steps(world, 1);
    const again = world.kv.acquire(outside);
    if (!again.ok) throw new Error('the pool is empty');
    expect(codeOf(() => world.scheduler.plan())).toBe('POOL_HELD_OUTSIDE');
    again.lease.release();
    expect(drain(world.scheduler, world.executor).size).toBe(1);
  });
});

describe('Scheduler.commit', () => {
  it('gives what the model gives, whoever shares the batch', () => {
    const world = worldOf();
    const prompts = range(0, 20).map((at) => [...range(0, 1 + (at % 13)), at]);
    const ids = prompts.map((prompt) => submit(world.scheduler, prompt, { maxTokens: 6 }));
    const ended = drain(world.scheduler, world.executor);
    const tokens = ids.map((id) => ended.get(id)?.tokens);
    expect(tokens).toEqual(prompts.map((prompt) => oracle(prompt, 6, world.executor.options)));
    expect(checkScheduler(world.scheduler)).toEqual([]);
    expect(world.kv.stats().leases).toBe(0);
  });

  it('ends with stop at a stopping token, which belongs to the completion, and with length after maxTokens', () => {
    const world = worldOf();
    const prompt = range(0, 5);
    const expected = oracle(prompt, 8, world.executor.options);
    const stopping = new TinyExecutor({ ...world.executor.options, endToken: expected[7]! });
    const id = submit(world.scheduler, prompt, { maxTokens: 8 });
    const other = submit(world.scheduler, [9, 9, 9], { maxTokens: 2 });
    const ended = drain(world.scheduler, stopping);
    expect(ended.get(id)).toMatchObject({ reason: 'stop', tokens: expected.slice(0, 8) });
    expect(ended.get(id)?.usage.completionTokens).toBe(3);
    expect(ended.get(other)).toMatchObject({ reason: 'length' });
  });

  it('publishes a page only when the step that filled it was committed', () => {
    const { scheduler, executor, kv } = worldOf({ tokenBudget: 8 });
    const prompt = Uint32Array.from(range(0, 12));
    submit(scheduler, prompt, { maxTokens: 2 });
    const plan = scheduler.plan()!;
    expect(kv.match(prompt, 12, '').matchedTokens).toBe(0);
    commit(scheduler, executor, plan);
    expect(kv.match(prompt, 12, '').matchedTokens).toBe(8);
  });

  it('leaves the whole sequence but its last token for the next prompt, to the token', () => {
    const world = worldOf();
    const id = submit(world.scheduler, range(0, 6), { maxTokens: 4 });
    const { tokens } = drain(world.scheduler, world.executor).get(id)!;
    const next = submit(world.scheduler, [...tokens, 7], { maxTokens: 1 });
    drain(world.scheduler, world.executor);
    // The last of the 10 tokens was sampled and never run.
    expect(world.scheduler.usage(next)).toMatchObject({ cachedTokens: 9, computedTokens: 2 });
  });

  it('counts prompt tokens as cached or computed, and runs no row that is in no count', () => {
    const world = worldOf({ pages: 24, maxSequences: 5, tokenBudget: 9 });
    const ended = new Map<number, Ended>();
    for (const at of range(0, 12)) submit(world.scheduler, [...range(0, 9), at % 2, at], { maxTokens: 7 });
    steps(world, 400, ended);
    expect(ended.size).toBe(12);
    let rows = 0;
    for (const { usage } of ended.values()) {
      expect(usage.cachedTokens + usage.computedTokens).toBe(usage.promptTokens);
      rows += usage.computedTokens + usage.recomputedTokens + usage.completionTokens - 1;
    }
    expect(world.executor.rows).toBe(rows);
  });

  it('tells why the first computed token was not found', () => {
    const world = worldOf();
    const ids = [submit(world.scheduler, range(0, 9)), submit(world.scheduler, range(50, 9), { mode: 'bypass' })];
    const ended = drain(world.scheduler, world.executor);
    expect(ids.map((id) => ended.get(id)?.usage.missReason)).toEqual(['cold', 'bypass']);
    const warm = submit(world.scheduler, range(0, 9));
    expect(drain(world.scheduler, world.executor).get(warm)?.usage.missReason).toBe('none');
  });

  it('stores nothing of a sequence that bypasses, and reuses nothing for it', () => {
    const world = worldOf();
    submit(world.scheduler, range(0, 9));
    drain(world.scheduler, world.executor);
    const { publishedPages } = world.kv.stats();
    const id = submit(world.scheduler, range(0, 9), { mode: 'bypass', maxTokens: 6 });
    drain(world.scheduler, world.executor);
    expect(world.scheduler.usage(id)).toMatchObject({ cachedTokens: 0, computedTokens: 9 });
    expect(world.kv.stats()).toMatchObject({ publishedPages, privatePages: 0 });
  });

  it('answers for an ended sequence until the next commit', () => {
    const world = worldOf();
    const id = submit(world.scheduler, [1, 2], { maxTokens: 1 });
    steps(world, 1);
    expect(world.scheduler.usage(id).completionTokens).toBe(1);
    expect(world.scheduler.tokensOf(id)).toMatchObject({ tokenCount: 3, promptTokens: 2 });
    submit(world.scheduler, [3], { maxTokens: 1 });
    steps(world, 1);
    expect(codeOf(() => world.scheduler.usage(id))).toBe('UNKNOWN_SEQUENCE');
    expect(codeOf(() => world.scheduler.tokensOf(99))).toBe('UNKNOWN_SEQUENCE');
  });
});
