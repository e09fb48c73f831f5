import { describe, expect, it } from 'vitest';
import { checkPlan } from './check-plan.ts';
import { RecomputeScheduler } from './recompute-scheduler.ts';
import { commit, drain, oracle, range, request, rowsOf, submit, TinyExecutor } from './scheduler.testing.ts';

const LIMITS = { maxSequences: 3, tokenBudget: 10, maxWaiting: 3 };

function tinyExecutor(): TinyExecutor {
  return new TinyExecutor({ pages: 1, pageSize: 1, alphabet: 50 });
}

describe('RecomputeScheduler', () => {
  it('runs all tokens of a sequence in each step, as one chunk without slots, levels or copies', () => {
    const source = new RecomputeScheduler(LIMITS);
    const executor = tinyExecutor();
    const id = submit(source, range(0, 3), { maxTokens: 3 });
    const rows = range(0, 3).map(() => {
      const plan = source.plan()!;
      expect(plan).toMatchObject({ writes: false, copyCount: 0, headCount: 1 });
      expect(plan.levels.map((level) => level.groupCount)).toEqual([0, 0, 0]);
      expect(checkPlan(plan, source.inspect())).toEqual([]);
      const planned = rowsOf(plan);
      commit(source, executor, plan);
      return planned;
    });
    expect(rows).toEqual([[[id, 3]], [[id, 4]], [[id, 5]]]);
    expect(source.plan()).toBeUndefined();
  });

  it('batches sequences up to the token budget, and runs one that is longer alone', () => {
    const source = new RecomputeScheduler(LIMITS);
    const executor = tinyExecutor();
    const ids = [4, 5, 12].map((tokens) => submit(source, range(0, tokens), { maxTokens: 1 }));
    const first = source.plan()!;
    expect(rowsOf(first)).toEqual([
      [ids[0], 4],
      [ids[1], 5],
    ]);
    commit(source, executor, first);
    expect(rowsOf(source.plan())).toEqual([[ids[2], 12]]);
  });

  it('gives what the model gives, and counts what it runs again', () => {
    const source = new RecomputeScheduler(LIMITS);
    const id = submit(source, range(0, 5), { maxTokens: 4 });
    const ended = drain(source, tinyExecutor()).get(id)!;
    expect(ended.tokens).toEqual(oracle(range(0, 5), 4, { pages: 1, pageSize: 1, alphabet: 50 }));
    expect(ended.usage).toEqual({
      promptTokens: 5,
      storedTokens: 0,
      cachedTokens: 0,
      computedTokens: 5,
      // Steps of 5, 6, 7 and 8 tokens, of which 8 are new.
      recomputedTokens: 18,
      completionTokens: 4,
      preemptions: 0,
      missReason: 'bypass',
    });
  });

  it('refuses when the queue is full, and finds nothing too long', () => {
    const source = new RecomputeScheduler(LIMITS);
    for (const tokens of [1, 2, 10_000]) submit(source, range(0, tokens));
    expect(source.submit(request([1]))).toEqual({ ok: false, reason: 'queue-full', needed: 4, available: 3 });
  });

  it('aborts waiting and running sequences at once, and those of a step in flight with its commit', () => {
    const source = new RecomputeScheduler({ ...LIMITS, maxSequences: 1 });
    const executor = tinyExecutor();
    const [running, waiting, next] = [1, 2, 3].map((token) => submit(source, [token]));
    const plan = source.plan()!;
    expect([source.abort(running!), source.abort(waiting!)]).toEqual([true, true]);
    const report = source.commit(plan, executor.run(plan));
    expect(report.finishReasons).toEqual(['abort', 'abort']);
    expect(source.abort(next!)).toBe(true);
    expect([source.waitingCount, source.runningCount]).toEqual([0, 0]);
  });

  it('ends the sequences of a failed step', () => {
    const source = new RecomputeScheduler({ ...LIMITS, maxSequences: 1 });
    const [first, second] = [submit(source, [1]), submit(source, [2])];
    expect(source.fail(source.plan()!)).toEqual([first]);
    expect([...drain(source, tinyExecutor()).keys()]).toEqual([second]);
  });
});
