import { createKvCache, type KvCache, pagesFor } from '@octavo/kv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkScheduler } from './check-scheduler.ts';
import { type AttentionCosts, MEASURED_COSTS } from './cost-model.ts';
import { RecomputeScheduler } from './recompute-scheduler.ts';
import { commit, drain, type Ended, oracle, step, TinyExecutor } from './scheduler.testing.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import type { SequenceRequest } from './step-source.ts';

/** CI runs the default; raise it for a long search. */
const RUNS = Number(process.env.OCTAVO_PROPERTY_RUNS ?? 1_000);
/** Prompts are made of few tokens, so that they share pages; completions of more, so that few end early. */
const PROMPT_ALPHABET = 3;
const ALPHABET = 12;
const END_TOKEN = 11;

interface World {
  readonly pages: number;
  readonly pageSize: number;
  readonly maxSequences: number;
  readonly tokenBudget: number;
  readonly maxWaiting: number;
  readonly watermarkPages: number;
  readonly singleFlight: boolean;
  readonly attention: 'levels' | 'flat';
  readonly attentionCosts: AttentionCosts;
  readonly index: 'radix' | 'linear';
}

/** What is known about the scheduler without looking into it. */
interface Model {
  readonly world: World;
  /** By id, in order of arrival. */
  readonly live: Map<number, SequenceRequest>;
  readonly submitted: Map<number, SequenceRequest>;
}

interface Real {
  readonly kv: KvCache;
  readonly scheduler: Scheduler;
  readonly executor: TinyExecutor;
  readonly ended: Map<number, Ended>;
}

type Command = fc.Command<Model, Real>;

function expectHealthy(model: Model, { scheduler, kv }: Real): void {
  expect(checkScheduler(scheduler)).toEqual([]);
  expect(scheduler.waitingCount + scheduler.runningCount).toBe(model.live.size);
  expect(kv.stats().leases).toBe(scheduler.runningCount);
}

/** Takes what ended out of the live ones; returns it. */
function settle(model: Model, real: Real): void {
  for (const id of real.ended.keys()) model.live.delete(id);
}

class Submit implements Command {
  readonly request: SequenceRequest;
  constructor(request: SequenceRequest) {
    this.request = request;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Real): void {
    const { world } = model;
    const needed = pagesFor(this.request.prompt.length + this.request.maxTokens - 1, world.pageSize);
    const available = world.pages - 1 - world.watermarkPages;
    const { waitingCount } = real.scheduler;
    const answer = real.scheduler.submit({ ...this.request, prompt: this.request.prompt.slice() });
    if (needed > available) expect(answer).toEqual({ ok: false, reason: 'too-long', needed, available });
    else if (waitingCount >= world.maxWaiting) expect(answer).toMatchObject({ ok: false, reason: 'queue-full' });
    else expect(answer).toMatchObject({ ok: true });
    if (answer.ok) {
      model.live.set(answer.sequence, this.request);
      model.submitted.set(answer.sequence, this.request);
    }
    expectHealthy(model, real);
  }
  toString(): string {
    const { prompt, maxTokens, salt, priority, mode, logits } = this.request;
    return `submit(${JSON.stringify({ prompt: [...prompt], maxTokens, salt, priority, mode, logits })})`;
  }
}

class Step implements Command {
  check(): boolean {
    return true;
  }
  run(model: Model, real: Real): void {
    const ran = step(real.scheduler, real.executor, real.ended);
    settle(model, real);
    // Whatever lives can go on.
    expect(ran || model.live.size === 0).toBe(true);
    expectHealthy(model, real);
  }
  toString(): string {
    return 'step()';
  }
}

/** The live sequence that a number stands for. */
function chosen(model: Model, choice: number): number {
  return [...model.live.keys()][choice % model.live.size]!;
}

class Abort implements Command {
  readonly choice: number;
  constructor(choice: number) {
    this.choice = choice;
  }
  check(model: Readonly<Model>): boolean {
    return model.live.size > 0;
  }
  run(model: Model, real: Real): void {
    const id = chosen(model, this.choice);
    expect(real.scheduler.abort(id)).toBe(true);
    expect(real.scheduler.abort(id)).toBe(false);
    expect(real.scheduler.usage(id).promptTokens).toBe(model.live.get(id)!.prompt.length);
    model.live.delete(id);
    expectHealthy(model, real);
  }
  toString(): string {
    return `abort(${this.choice})`;
  }
}

class AbortInFlight implements Command {
  readonly choice: number;
  constructor(choice: number) {
    this.choice = choice;
  }
  check(model: Readonly<Model>): boolean {
    return model.live.size > 0;
  }
  run(model: Model, real: Real): void {
    const { scheduler, executor, ended } = real;
    const plan = scheduler.plan()!;
    expect(checkScheduler(scheduler)).toEqual([]);
    const id = chosen(model, this.choice);
    expect(scheduler.abort(id)).toBe(true);
    expectHealthy(model, real);
    commit(scheduler, executor, plan, ended);
    expect(ended.get(id)?.reason).toBe('abort');
    settle(model, real);
    expectHealthy(model, real);
  }
  toString(): string {
    return `abortInFlight(${this.choice})`;
  }
}

class Fail implements Command {
  check(model: Readonly<Model>): boolean {
    return model.live.size > 0;
  }
  run(model: Model, real: Real): void {
    const plan = real.scheduler.plan()!;
    expect(checkScheduler(real.scheduler)).toEqual([]);
    const { publishedPages } = real.kv.stats();
    const planned = [...plan.sequences.subarray(0, plan.sequenceCount)];
    // The executor may have got as far as it likes.
    real.executor.run(plan);
    expect([...real.scheduler.fail(plan)].sort()).toEqual(planned.sort());
    expect(real.kv.stats().publishedPages).toBeLessThanOrEqual(publishedPages);
    for (const id of planned) model.live.delete(id);
    expectHealthy(model, real);
  }
  toString(): string {
    return 'fail()';
  }
}

class Clear implements Command {
  readonly salt: string | undefined;
  constructor(salt: string | undefined) {
    this.salt = salt;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Real): void {
    real.kv.clear(this.salt);
    expectHealthy(model, real);
  }
  toString(): string {
    return `clear(${this.salt ?? ''})`;
  }
}

const requests: fc.Arbitrary<SequenceRequest> = fc
  .record({
    prompt: fc
      .array(fc.nat({ max: PROMPT_ALPHABET - 1 }), { minLength: 1, maxLength: 24, size: 'max' })
      .map((tokens) => Uint32Array.from(tokens)),
    maxTokens: fc.integer({ min: 1, max: 12 }),
    salt: fc.constantFrom('', '', 'other'),
    priority: fc.constantFrom(0, 0, 1, 2),
    kind: fc.constantFrom('share', 'share', 'share', 'bypass', 'score'),
  })
  .map(({ kind, ...rest }) => ({
    ...rest,
    mode: kind === 'share' ? ('share' as const) : ('bypass' as const),
    logits: kind === 'score' ? ('all' as const) : ('last' as const),
  }));

/** A prompt that shares a beginning with a common text, so that pages are shared, waited for and fought over. */
const relatedRequests = fc.tuple(requests, fc.nat({ max: 20 })).map(([one, shared]) => ({
  ...one,
  prompt: Uint32Array.from([...Array.from({ length: shared }, (_, at) => at % PROMPT_ALPHABET), ...one.prompt]).slice(
    0,
    28,
  ),
}));

const commands = fc.commands(
  [
    ...Array.from({ length: 6 }, () => relatedRequests.map((one) => new Submit(one))),
    requests.map((one) => new Submit(one)),
    ...Array.from({ length: 10 }, () => fc.constant(new Step())),
    fc.nat({ max: 20 }).map((choice) => new Abort(choice)),
    fc.nat({ max: 20 }).map((choice) => new AbortInFlight(choice)),
    fc.constant(new Fail()),
    fc.constantFrom(undefined, '', 'other').map((salt) => new Clear(salt)),
  ],
  { maxCommands: 60, size: 'max' },
);

const worlds: fc.Arbitrary<World> = fc
  .record({
    pageSize: fc.integer({ min: 1, max: 5 }),
    roomTokens: fc.integer({ min: 12, max: 60 }),
    maxSequences: fc.integer({ min: 1, max: 6 }),
    tokenBudget: fc.integer({ min: 1, max: 20 }),
    maxWaiting: fc.constantFrom(2, 30),
    watermarkPages: fc.integer({ min: 0, max: 2 }),
    singleFlight: fc.constantFrom(true, true, false),
    attention: fc.constantFrom('levels' as const, 'levels' as const, 'flat' as const),
    // Levels for next to nothing, so that small worlds have deep plans too.
    attentionCosts: fc.constantFrom(MEASURED_COSTS, { gather: 9, score: 1, level: 0, merge: 0 }),
    index: fc.constantFrom('radix' as const, 'radix' as const, 'linear' as const),
  })
  .map(({ roomTokens, ...rest }) => ({
    ...rest,
    pages: 1 + rest.watermarkPages + pagesFor(roomTokens, rest.pageSize),
  }));

function begin(world: World): { model: Model; real: Real } {
  const { pages, pageSize, index, ...limits } = world;
  const kv = createKvCache({ pages, pageSize, index });
  const scheduler = createScheduler({ kv, ...limits, checks: 'every-step' });
  const executor = new TinyExecutor({ pages, pageSize, alphabet: ALPHABET, endToken: END_TOKEN });
  return {
    model: { world, live: new Map(), submitted: new Map() },
    real: { kv, scheduler, executor, ended: new Map() },
  };
}

/** Everything that finished by itself gave what the baseline without K/V gives. */
function expectOracle({ model, real }: { model: Model; real: Real }): void {
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

describe('Scheduler', () => {
  it(`survives ${RUNS} random histories with every law kept, and answers as the baseline without K/V does`, () => {
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
  });
});
