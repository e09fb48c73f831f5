/** What can be done to a scheduler in a random history, and what must be true after each command. */
import { type KvCache, pagesFor } from '@octavo/kv';
import type fc from 'fast-check';
import { expect } from 'vitest';
import { checkScheduler } from './check-scheduler.ts';
import type { AttentionCosts } from './cost-model.ts';
import { commit, type Ended, step, type TinyExecutor } from './scheduler.testing.ts';
import type { Scheduler } from './scheduler.ts';
import type { SequenceRequest } from './step-source.ts';

/** One random scheduler over one random pool. */
export interface RandomWorld {
  readonly pages: number;
  readonly pageSize: number;
  readonly maxSequences: number;
  readonly tokenBudget: number;
  readonly longChunkTokens: number;
  readonly promptStepsInTurn: number;
  readonly maxWaiting: number;
  readonly watermarkPages: number;
  readonly singleFlight: boolean;
  readonly attention: 'levels' | 'flat';
  readonly attentionCosts: AttentionCosts;
  readonly windows: readonly number[];
  readonly index: 'radix' | 'linear';
}

/** What is known about the scheduler without looking into it. */
export interface Model {
  readonly world: RandomWorld;
  /** By id, in order of arrival. */
  readonly live: Map<number, SequenceRequest>;
  readonly submitted: Map<number, SequenceRequest>;
}

export interface Real {
  readonly kv: KvCache;
  readonly scheduler: Scheduler;
  readonly executor: TinyExecutor;
  readonly ended: Map<number, Ended>;
}

/** A scheduler, and what is known about it. */
export interface History {
  readonly model: Model;
  readonly real: Real;
}

type Command = fc.Command<Model, Real>;

/** Every law holds, and everybody who lives is somewhere. */
export function expectHealthy(model: Model, { scheduler, kv }: Real): void {
  expect(checkScheduler(scheduler)).toEqual([]);
  expect(scheduler.waitingCount + scheduler.runningCount).toBe(model.live.size);
  expect(kv.stats().leases).toBe(scheduler.runningCount);
}

/** Takes what ended out of the live ones. */
export function settle(model: Model, real: Real): void {
  for (const id of real.ended.keys()) model.live.delete(id);
}

/** Can be done at any time. */
abstract class Anytime {
  check(): boolean {
    return true;
  }
}

/** Needs somebody who lives. */
abstract class WithLive {
  check(model: Readonly<Model>): boolean {
    return model.live.size > 0;
  }
}

export class Submit extends Anytime implements Command {
  readonly request: SequenceRequest;
  constructor(request: SequenceRequest) {
    super();
    this.request = request;
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
  override toString(): string {
    const { prompt, maxTokens, salt, priority, mode, logits } = this.request;
    return `submit(${JSON.stringify({ prompt: [...prompt], maxTokens, salt, priority, mode, logits })})`;
  }
}

export class Step extends Anytime implements Command {
  run(model: Model, real: Real): void {
    const ran = step(real.scheduler, real.executor, real.ended);
    settle(model, real);
    // Whatever lives can go on.
    expect(ran || model.live.size === 0).toBe(true);
    expectHealthy(model, real);
  }
  override toString(): string {
    return 'step()';
  }
}

/** The live sequence that a number stands for. */
function chosen(model: Model, choice: number): number {
  return [...model.live.keys()][choice % model.live.size]!;
}

export class Abort extends WithLive implements Command {
  readonly choice: number;
  constructor(choice: number) {
    super();
    this.choice = choice;
  }
  run(model: Model, real: Real): void {
    const id = chosen(model, this.choice);
    expect(real.scheduler.abort(id)).toBe(true);
    expect(real.scheduler.abort(id)).toBe(false);
    expect(real.scheduler.usage(id).promptTokens).toBe(model.live.get(id)!.prompt.length);
    model.live.delete(id);
    expectHealthy(model, real);
  }
  override toString(): string {
    return `abort(${this.choice})`;
  }
}

/** Something that happens between the plan and the commit of a step. */
abstract class InFlight extends WithLive implements Command {
  run(model: Model, real: Real): void {
    const { scheduler, executor, ended } = real;
    const plan = scheduler.plan()!;
    const expectAfter = this.happen(model, real);
    expectHealthy(model, real);
    commit(scheduler, executor, plan, ended);
    expectAfter();
    settle(model, real);
    expectHealthy(model, real);
  }
  abstract override toString(): string;
  /** Does it; returns what must be true after the commit. */
  protected abstract happen(model: Model, real: Real): () => void;
}

export class AbortInFlight extends InFlight {
  readonly choice: number;
  constructor(choice: number) {
    super();
    this.choice = choice;
  }
  protected override happen(model: Model, { scheduler, ended }: Real): () => void {
    const id = chosen(model, this.choice);
    expect(scheduler.abort(id)).toBe(true);
    return () => expect(ended.get(id)?.reason).toBe('abort');
  }
  override toString(): string {
    return `abortInFlight(${this.choice})`;
  }
}

export class ClearInFlight extends InFlight {
  protected override happen(_: Model, { kv }: Real): () => void {
    kv.clear();
    return () => {};
  }
  override toString(): string {
    return 'clearInFlight()';
  }
}

export class SubmitInFlight extends InFlight {
  readonly submit: Submit;
  constructor(submit: Submit) {
    super();
    this.submit = submit;
  }
  protected override happen(model: Model, real: Real): () => void {
    this.submit.run(model, real);
    return () => {};
  }
  override toString(): string {
    return `inFlight(${this.submit})`;
  }
}

export class Fail extends WithLive implements Command {
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
  override toString(): string {
    return 'fail()';
  }
}

export class Clear extends Anytime implements Command {
  readonly salt: string | undefined;
  constructor(salt: string | undefined) {
    super();
    this.salt = salt;
  }
  run(model: Model, real: Real): void {
    real.kv.clear(this.salt);
    expectHealthy(model, real);
  }
  override toString(): string {
    return `clear(${this.salt ?? ''})`;
  }
}
