import { describe, expect, it } from 'vitest';
import { RecomputeScheduler } from './recompute-scheduler.ts';
import { commit, type Ended, range, submit, TinyExecutor, worldOf } from './scheduler.testing.ts';
import type { StepSource } from './step-source.ts';

interface Head {
  readonly sequence: number;
  readonly position: number;
  readonly samples: number;
}

/** All heads of all steps until everything has ended; what ended is added to `ended`. */
function headsOf(source: StepSource, executor: TinyExecutor, ended?: Map<number, Ended>): Head[] {
  const heads: Head[] = [];
  for (;;) {
    const plan = source.plan();
    if (plan === undefined) return heads;
    for (let head = 0; head < plan.headCount; head += 1) {
      const position = plan.positions[plan.headRow[head]!]!;
      heads.push({ sequence: plan.headSequence[head]!, position, samples: plan.headSamples[head]! });
    }
    commit(source, executor, plan, ended);
  }
}

/** Every prompt row once, the last one sampling, and then the decodes. */
function expectScored(heads: readonly Head[], id: number, promptTokens: number, maxTokens: number): void {
  const own = heads.filter(({ sequence }) => sequence === id);
  expect(own.map(({ position }) => position)).toEqual(range(0, promptTokens + maxTokens - 1));
  expect(own.map(({ samples }) => samples)).toEqual(own.map((_, at) => (at < promptTokens - 1 ? 0 : 1)));
}

describe("logits 'all'", () => {
  it('makes every prompt row a head, of which only the last samples', () => {
    const world = worldOf();
    const id = submit(world.scheduler, range(0, 9), { mode: 'bypass', logits: 'all', maxTokens: 3 });
    const other = submit(world.scheduler, range(0, 9), { maxTokens: 1 });
    const heads = headsOf(world.scheduler, world.executor);
    expectScored(heads, id, 9, 3);
    expect(heads.filter(({ sequence }) => sequence === other)).toHaveLength(1);
  });

  it('makes each row a head once over chunks', () => {
    const world = worldOf({ tokenBudget: 4 });
    const id = submit(world.scheduler, range(0, 11), { mode: 'bypass', logits: 'all', maxTokens: 1 });
    expectScored(headsOf(world.scheduler, world.executor), id, 11, 1);
  });

  it('makes each row a head once, also when a preemption makes it run again', () => {
    const world = worldOf({ pages: 12, tokenBudget: 8 });
    submit(world.scheduler, range(100, 12), { maxTokens: 16 });
    const id = submit(world.scheduler, range(0, 24), { mode: 'bypass', logits: 'all', maxTokens: 8 });
    const ended = new Map<number, Ended>();
    const heads = headsOf(world.scheduler, world.executor, ended);
    expect(ended.get(id)?.usage.preemptions).toBeGreaterThan(0);
    expect(ended.get(id)?.usage.recomputedTokens).toBeGreaterThan(0);
    expectScored(heads, id, 24, 8);
  });

  it('makes each row a head once without K/V', () => {
    const source = new RecomputeScheduler({ maxSequences: 2, tokenBudget: 32, maxWaiting: 4 });
    const id = submit(source, range(0, 9), { mode: 'bypass', logits: 'all', maxTokens: 3 });
    expectScored(headsOf(source, new TinyExecutor({ pages: 1, pageSize: 1, alphabet: 50 })), id, 9, 3);
  });
});
