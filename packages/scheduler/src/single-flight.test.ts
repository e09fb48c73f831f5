import { describe, expect, it } from 'vitest';
import { checkScheduler } from './check-scheduler.ts';
import { INTERNALS } from './internals.ts';
import { drain, type Ended, oracle, range, steps, submit, type World, worldOf } from './scheduler.testing.ts';

/** 34 tokens: 8 full pages of 4 and two tokens. */
const PROMPT = range(0, 34);

function parked({ scheduler }: World): number {
  return scheduler[INTERNALS]().admission.parkedCount;
}

function computedTokens(ended: ReadonlyMap<number, Ended>): number[] {
  return [...ended.entries()].sort(([left], [right]) => left - right).map(([, { usage }]) => usage.computedTokens);
}

describe('single flight', () => {
  it('computes the shared full pages of 16 identical cold prompts once', () => {
    const world = worldOf({ pages: 200, maxSequences: 16, tokenBudget: 64 });
    const ids = range(0, 16).map(() => submit(world.scheduler, PROMPT));
    const ended = drain(world.scheduler, world.executor);
    expect(computedTokens(ended)).toEqual([34, ...range(0, 15).map(() => 2)]);
    const expected = oracle(PROMPT, 4, world.executor.options);
    expect(ids.map((id) => ended.get(id)?.tokens)).toEqual(ids.map(() => expected));
  });

  it('computes everything 16 times when it is switched off', () => {
    const world = worldOf({ pages: 200, maxSequences: 16, tokenBudget: 1_000, singleFlight: false });
    for (const _ of range(0, 16)) submit(world.scheduler, PROMPT);
    expect(computedTokens(drain(world.scheduler, world.executor))).toEqual(range(0, 16).map(() => 34));
  });

  it('lets a waiter start with the first commit that published all they have in common', () => {
    const world = worldOf({ tokenBudget: 8 });
    const producer = submit(world.scheduler, PROMPT);
    const waiter = submit(world.scheduler, [...PROMPT.slice(0, 8), 99]);
    // The budget of the second step is the producer's: it came first.
    expect(steps(world, 1)).toEqual([[[producer, 8]]]);
    expect(parked(world)).toBe(0);
    const rows = steps(world, 4).flat();
    expect(rows).toContainEqual([waiter, 1]);
    expect(rows.filter(([id]) => id === producer)).toHaveLength(4);
  });

  it('waits in a full batch too: a waiter is examined, holds no page and no lease, and nobody stops behind it', () => {
    const world = worldOf({ tokenBudget: 24 });
    const producer = submit(world.scheduler, range(0, 20));
    submit(world.scheduler, range(0, 20));
    const other = submit(world.scheduler, [50]);
    expect(steps(world, 1)).toEqual([
      [
        [producer, 20],
        [other, 1],
      ],
    ]);
    const second = worldOf({ tokenBudget: 24 });
    submit(second.scheduler, range(0, 20));
    submit(second.scheduler, range(0, 20));
    submit(second.scheduler, [50]);
    second.scheduler.plan();
    expect(parked(second)).toBe(1);
    expect(second.kv.stats()).toMatchObject({ leases: 2, privatePages: 6 });
    expect(second.scheduler.waitingCount).toBe(1);
    expect(checkScheduler(second.scheduler)).toEqual([]);
  });

  it('admits who waited for pages that are there now before a colder prompt that came earlier', () => {
    const world = worldOf({ tokenBudget: 8 });
    const shared = range(0, 16);
    const producer = submit(world.scheduler, [...shared, 100]);
    const cold = submit(world.scheduler, range(50, 66));
    const waiter = submit(world.scheduler, [...shared, 101]);
    expect(steps(world, 3)).toEqual([
      [[producer, 8]],
      [[producer, 8]],
      [
        [producer, 1],
        [waiter, 1],
        [cold, 6],
      ],
    ]);
  });

  it('waits for the last page of a prompt that is a whole number of pages', () => {
    const world = worldOf();
    submit(world.scheduler, range(0, 8));
    submit(world.scheduler, range(0, 8));
    // Seven of the eight tokens are copied; the last prompt token is always computed.
    expect(computedTokens(drain(world.scheduler, world.executor))).toEqual([8, 1]);
  });

  it('never waits across salts', () => {
    const world = worldOf({ tokenBudget: 100 });
    for (const salt of ['a', 'b']) submit(world.scheduler, PROMPT, { salt });
    expect(steps(world, 1)[0]).toHaveLength(2);
  });

  it('never waits for a sequence that bypasses, nor makes one wait', () => {
    const world = worldOf({ tokenBudget: 200 });
    for (const mode of ['bypass', 'share', 'bypass'] as const) submit(world.scheduler, PROMPT, { mode });
    expect(steps(world, 1)[0]).toHaveLength(3);
  });

  it('lets the first waiter go on from where an aborted producer stopped', () => {
    const world = worldOf({ tokenBudget: 16 });
    const producer = submit(world.scheduler, PROMPT);
    const [first, second] = [submit(world.scheduler, PROMPT), submit(world.scheduler, PROMPT)];
    steps(world, 1);
    expect(world.scheduler.abort(producer)).toBe(true);
    expect(parked(world)).toBe(0);
    expect(steps(world, 2)).toEqual([
      [[first, 16]],
      [
        [first, 2],
        [second, 2],
      ],
    ]);
    const ended = drain(world.scheduler, world.executor);
    expect(ended.get(first)?.usage).toMatchObject({ cachedTokens: 16, computedTokens: 18 });
    expect(ended.get(second)?.usage).toMatchObject({ cachedTokens: 32, computedTokens: 2 });
  });

  it('lets the first waiter start when its producer is aborted with the step in flight', () => {
    const world = worldOf({ tokenBudget: 16 });
    const producer = submit(world.scheduler, PROMPT);
    const waiter = submit(world.scheduler, PROMPT);
    steps(world, 1);
    const plan = world.scheduler.plan()!;
    world.scheduler.abort(producer);
    expect(parked(world)).toBe(1);
    world.scheduler.commit(plan, world.executor.run(plan));
    expect(steps(world, 1)).toEqual([[[waiter, 16]]]);
    // Nothing of the aborted step was published.
    expect(drain(world.scheduler, world.executor).get(waiter)?.usage).toMatchObject({ cachedTokens: 16 });
  });

  it('lets the first waiter start when the step of its producer fails', () => {
    const world = worldOf({ tokenBudget: 16 });
    const producer = submit(world.scheduler, PROMPT);
    const waiter = submit(world.scheduler, PROMPT);
    expect(world.scheduler.fail(world.scheduler.plan()!)).toEqual([producer]);
    expect(steps(world, 1)).toEqual([[[waiter, 16]]]);
  });

  it('wakes the waiters of a preempted producer, whose turn it is again first', () => {
    const world = worldOf({ pages: 13, tokenBudget: 16 });
    const oldest = submit(world.scheduler, range(500, 15), { maxTokens: 12 });
    const producer = submit(world.scheduler, PROMPT, { maxTokens: 1 });
    const waiter = submit(world.scheduler, PROMPT, { maxTokens: 1 });
    const ended = new Map<number, Ended>();
    let wasParked = 0;
    for (let at = 0; at < 30 && ended.size < 3; at += 1) {
      steps(world, 1, ended);
      wasParked = Math.max(wasParked, parked(world));
      expect(checkScheduler(world.scheduler)).toEqual([]);
    }
    expect(wasParked).toBe(1);
    expect(ended.get(producer)?.usage.preemptions).toBeGreaterThan(0);
    expect([...ended.keys()].sort()).toEqual([oldest, producer, waiter]);
  });

  it('stops waiting for a producer that was cut off from the index', () => {
    const world = worldOf({ tokenBudget: 8 });
    const producer = submit(world.scheduler, PROMPT, { maxTokens: 2 });
    steps(world, 1);
    const waiter = submit(world.scheduler, PROMPT, { maxTokens: 2 });
    const filler = submit(world.scheduler, [77], { maxTokens: 9, priority: 5 });
    world.kv.clear();
    steps(world, 2);
    expect(parked(world)).toBe(0);
    const ended = drain(world.scheduler, world.executor);
    expect(ended.get(waiter)?.usage.computedTokens).toBeGreaterThan(20);
    expect([...ended.keys()].sort()).toEqual([producer, waiter, filler]);
  });

  it('parks a bounded number in a step, so that thousands of equal prompts stop nobody', () => {
    const world = worldOf({ tokenBudget: 8, maxWaiting: 1_000 });
    for (const _ of range(0, 100)) submit(world.scheduler, PROMPT, { maxTokens: 1 });
    steps(world, 1);
    const counts = range(0, 2).map(() => {
      steps(world, 1);
      return parked(world);
    });
    expect(counts).toEqual([32, 64]);
    const others = computedTokens(drain(world.scheduler, world.executor)).slice(1);
    // Two tokens behind the last full page; one, when the sealed tail of an earlier one is there by then.
    expect(others).toHaveLength(99);
    expect(Math.max(...others)).toBe(2);
  });

  // A product is two chunks, during which others wait for its pages, or one, whose pages are there before anybody could.
  it.each([
    [256, [8, 8, 8, 8, 8, 8, 8, 8]],
    [512, [7, 8, 8, 8, 8, 8, 8, 8]],
  ])(
    'answers together all whose pages are there, wherever they are in the queue, in steps of %i tokens',
    (tokenBudget, together) => {
      const options = { pages: 900, pageSize: 16, maxSequences: 64, longChunkTokens: 96, promptStepsInTurn: 64 };
      const world = worldOf({ ...options, tokenBudget });
      for (let at = 0; at < 64; at += 1) {
        const product = range(1_000 * (1 + (at % 8)), 512);
        submit(world.scheduler, [...range(0, 256), ...product, ...range(10_000 + 24 * at, 24)], { maxTokens: 1 });
      }
      const questions = steps(world, 40).filter((rows) => rows.some(([, tokens]) => tokens < 96));
      expect(questions.map((rows) => rows.length)).toEqual(together);
    },
  );

  it('forgets a waiter that is aborted', () => {
    const world = worldOf({ tokenBudget: 40 });
    const producer = submit(world.scheduler, PROMPT);
    const waiter = submit(world.scheduler, PROMPT);
    const plan = world.scheduler.plan()!;
    expect(parked(world)).toBe(1);
    world.scheduler.abort(waiter);
    const report = world.scheduler.commit(plan, world.executor.run(plan));
    expect(report.finishReasons).toEqual(['abort']);
    expect([...drain(world.scheduler, world.executor).keys()]).toEqual([producer]);
  });

  it('lends the priority of a waiter to its producer when somebody has to give way', () => {
    const victims = [0, 5].map((priority) => {
      const world = worldOf({ pages: 13, tokenBudget: 16 });
      const oldest = submit(world.scheduler, range(500, 11), { maxTokens: 16 });
      steps(world, 1);
      const other = submit(world.scheduler, range(700, 4), { maxTokens: 12, priority: 1 });
      steps(world, 1);
      const producer = submit(world.scheduler, PROMPT, { maxTokens: 1 });
      steps(world, 1);
      submit(world.scheduler, PROMPT, { maxTokens: 1, priority });
      const preempted = new Set<number>();
      for (let at = 0; at < 40; at += 1) {
        if (steps(world, 1)[0]!.length === 0) break;
        for (const sequence of world.scheduler[INTERNALS]().book.live()) {
          if (sequence.preemptions > 0) preempted.add(sequence.id);
        }
      }
      expect(preempted.size).toBeGreaterThan(0);
      return [...preempted].map((id) =>
        new Map([
          [oldest, 'oldest'],
          [other, 'other'],
          [producer, 'producer'],
        ]).get(id),
      )[0];
    });
    expect(victims).toEqual(['producer', 'other']);
  });
});
