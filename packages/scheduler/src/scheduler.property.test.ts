import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecomputeScheduler } from './recompute-scheduler.ts';
import { drain, oracle, TinyExecutor } from './scheduler.testing.ts';
import { expectHealthy, type History, settle } from './scheduler-commands.testing.ts';
import { begin, commands, worlds } from './scheduler-histories.testing.ts';

/** CI runs the default; raise it for a long search. */
const RUNS = Number(process.env.OCTAVO_PROPERTY_RUNS ?? 1_000);

/** Everything that finished by itself gave what the baseline without K/V gives. */
function expectOracle({ model, real }: History): void {
  const baseline = new RecomputeScheduler({ maxSequences: 4, tokenBudget: 64, maxWaiting: 100 });
  const twins = new Map<number, number>();
  for (const [id, ended] of real.ended) {
    if (ended.reason !== 'stop' && ended.reason !== 'length') continue;
    const answer = baseline.submit(model.submitted.get(id)!);
    if (answer.ok) twins.set(answer.sequence, id);
  }
  const expected = drain(baseline, new TinyExecutor(real.executor.options));
  expect(expected.size).toBe(twins.size);
  for (const [twin, { tokens, reason }] of expected) {
    const ended = real.ended.get(twins.get(twin)!)!;
    expect(ended).toMatchObject({ tokens, reason });
    const { prompt, maxTokens } = model.submitted.get(twins.get(twin)!)!;
    expect(tokens).toEqual(oracle([...prompt], maxTokens, real.executor.options));
    expect(ended.usage.cachedTokens + ended.usage.computedTokens).toBe(prompt.length);
  }
}

// Every law of cache and scheduler is recounted after every command.
const TIMEOUT_MS = 60_000 + 100 * RUNS;

describe('Scheduler', () => {
  it(
    `survives ${RUNS} random histories with every law kept, and answers as the baseline without K/V does`,
    () => {
      let finished = 0;
      let preempted = 0;
      fc.assert(
        fc.property(worlds, commands, (world, history) => {
          const { model, real } = begin(world);
          fc.modelRun(() => ({ model, real }), history);
          for (const [id, ended] of drain(real.scheduler, real.executor)) real.ended.set(id, ended);
          settle(model, real);
          expect(model.live.size).toBe(0);
          expect(real.scheduler.waitingCount + real.scheduler.runningCount).toBe(0);
          expectHealthy(model, real);
          expectOracle({ model, real });
          finished += real.ended.size;
          for (const { usage } of real.ended.values()) preempted += usage.preemptions;
        }),
        { numRuns: RUNS },
      );
      // The search reached what it was made for.
      expect(finished).toBeGreaterThan(RUNS);
      expect(preempted).toBeGreaterThan(RUNS / 10 - 10);
    },
    TIMEOUT_MS,
  );
});
