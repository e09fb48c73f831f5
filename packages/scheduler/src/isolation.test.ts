import { createKvCache } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import { checkScheduler } from './check-scheduler.ts';
import { TinyExecutor } from './scheduler.testing.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import type { StepPlan } from './step-plan.ts';
import type { SequenceRequest, SequenceUsage } from './step-source.ts';

const WORLD = { pages: 60, pageSize: 4, alphabet: 7 };
const PROMPT = Uint32Array.from({ length: 22 }, (_, at) => (at * 5) % 7);

function request(fields: Partial<SequenceRequest>): SequenceRequest {
  const plain = { maxTokens: 4, priority: 0, mode: 'share', logits: 'last', salt: '' } as const;
  return { ...plain, prompt: PROMPT.slice(), ...fields };
}

/** All that a plan says, but for which pages it happens to use: page ids by the order in which they first appear. */
function shapeOf(plan: StepPlan): unknown {
  const names = new Map<number, number>();
  const named = (page: number): number => {
    if (page === 0) return 0;
    const known = names.get(page) ?? names.size + 1;
    names.set(page, known);
    return known;
  };
  const { rowCount, headCount, sequenceCount, copyCount } = plan;
  const { pageSize } = WORLD;
  const slots = [...plan.slots.subarray(0, rowCount)];
  return {
    ...{ rowCount, headCount, sequenceCount, copyCount },
    tokens: [...plan.tokens.subarray(0, rowCount)],
    positions: [...plan.positions.subarray(0, rowCount)],
    slots: slots.map((slot) => [named(Math.floor(slot / pageSize)), slot % pageSize]),
    levels: plan.levels.map(({ groupCount, rowsPerGroup, pagesPerGroup, pages, tokens }) => ({
      ...{ groupCount, rowsPerGroup, pagesPerGroup, tokens: [...tokens.subarray(0, groupCount)] },
      pages: [...pages.subarray(0, groupCount * pagesPerGroup)].map(named),
    })),
  };
}

/** Serves requests one step at a time. Returns the shape of every plan, and the usage of the first. */
function serve(scheduler: Scheduler, executor: TinyExecutor, requests: readonly SequenceRequest[]) {
  const ids = requests.map((each) => {
    const answer = scheduler.submit(each);
    if (!answer.ok) throw new Error(answer.reason);
    return answer.sequence;
  });
  const shapes: unknown[] = [];
  let usage: SequenceUsage | undefined;
  for (let plan = scheduler.plan(); plan !== undefined; plan = scheduler.plan()) {
    shapes.push(shapeOf(plan));
    const report = scheduler.commit(plan, executor.run(plan));
    if (report.finished.subarray(0, report.finishedCount).includes(ids[0] as number)) {
      usage = scheduler.usage(ids[0] as number);
    }
  }
  return { shapes, usage };
}

function world(): { scheduler: Scheduler; executor: TinyExecutor } {
  const kv = createKvCache({ pages: WORLD.pages, pageSize: WORLD.pageSize });
  const scheduler = createScheduler({ kv, maxSequences: 4, tokenBudget: 9, maxWaiting: 9, checks: 'every-step' });
  return { scheduler, executor: new TinyExecutor(WORLD) };
}

describe('a prompt that another tenant has in the cache', () => {
  it('is planned step for step as on a cold cache, and reported as cold', () => {
    const cold = world();
    const alone = serve(cold.scheduler, cold.executor, [request({ salt: 'mine' })]);
    const shared = world();
    serve(shared.scheduler, shared.executor, [request({ salt: 'theirs' })]);
    const beside = serve(shared.scheduler, shared.executor, [request({ salt: 'mine' })]);
    expect(alone.shapes.length).toBeGreaterThan(4);
    expect(beside.shapes).toEqual(alone.shapes);
    expect(beside.usage).toEqual(alone.usage);
    expect(alone.usage).toMatchObject({ cachedTokens: 0, missReason: 'cold' });
    expect(checkScheduler(shared.scheduler)).toEqual([]);
  });

  it('is not told that it was there, also when it was taken out', () => {
    const { scheduler, executor } = world();
    serve(scheduler, executor, [request({ salt: 'theirs', claim: { tags: ['x'], session: 's' } })]);
    const again = serve(scheduler, executor, [request({ salt: 'mine', claim: { tags: ['x'], session: 's' } })]);
    expect(again.usage).toMatchObject({ cachedTokens: 0, missReason: 'cold' });
  });

  it('would be planned otherwise in the same salt', () => {
    const { scheduler, executor } = world();
    const first = serve(scheduler, executor, [request({ salt: 'mine' })]);
    const second = serve(scheduler, executor, [request({ salt: 'mine' })]);
    expect(second.shapes).not.toEqual(first.shapes);
    expect(second.usage?.cachedTokens).toBe(21);
  });
});
