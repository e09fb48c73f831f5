import { SchedulerError } from './errors.ts';
import type { Sequence } from './sequence.ts';
import type { SequenceBook } from './sequence-book.ts';
import { SequenceList } from './sequence-list.ts';
import type { StepPlan, StepResult } from './step-plan.ts';
import type { CommitReport, FinishReason } from './step-source.ts';

/** What a step source does to its own sequences; everything else about a step's end is the same for all. */
export interface StepHooks {
  /** The scheduled tokens of the sequence were run. */
  advance(sequence: Sequence): void;
  /** The sequence goes on. */
  goOn(sequence: Sequence): void;
  /** The sequence finished by itself, and is about to leave. */
  finish(sequence: Sequence): void;
  /** The sequence, of any state, leaves: it holds nothing afterwards. */
  leave(sequence: Sequence): void;
}

/** What a step did to one sequence. */
type StepOutcome = 'goes-on' | 'stop' | 'length';

/**
 * From take-off to commit: whether a step is in flight, the aborts that have to wait for its end, and who ends with it.
 * An abort between two steps ends a sequence at once; one during a step is carried out, and reported, by its commit or failure.
 */
export class StepFlight {
  readonly #book: SequenceBook;
  readonly #hooks: StepHooks;
  readonly #aborting = new SequenceList();
  #plan: StepPlan | undefined;
  #step = new SequenceList();

  constructor(book: SequenceBook, hooks: StepHooks) {
    this.#book = book;
    this.#hooks = hooks;
  }

  /** The step in flight. */
  get plan(): StepPlan | undefined {
    return this.#plan;
  }

  /** Throws `STEP_IN_FLIGHT`. */
  assertNone(): void {
    if (this.#plan === undefined) return;
    throw new SchedulerError('STEP_IN_FLIGHT', `Step ${this.#plan.stepId} was not committed; commit or fail it first.`);
  }

  /** Throws `NO_STEP_IN_FLIGHT`. */
  assertInFlight(plan: StepPlan): void {
    if (this.#plan === plan) return;
    throw new SchedulerError('NO_STEP_IN_FLIGHT', 'This plan is not in flight; commit or fail each plan once.');
  }

  /** Effect: `plan` is in flight; `step` are its sequences, borrowed until its end. */
  takeOff(plan: StepPlan, step: SequenceList): void {
    this.#plan = plan;
    this.#step = step;
  }

  /** As `StepSource.abort`. */
  abort(id: number): boolean {
    const sequence = this.#book.findLive(id);
    if (sequence === undefined || sequence.abortRequested) return false;
    if (this.#plan === undefined) {
      this.#hooks.leave(sequence);
      this.#book.endUnreported(sequence);
    } else {
      sequence.abortRequested = true;
      this.#aborting.push(sequence);
    }
    return true;
  }

  /** As `StepSource.commit`. */
  commit(plan: StepPlan, result: StepResult): CommitReport {
    this.assertInFlight(plan);
    assertResult(plan, result);
    this.#plan = undefined;
    this.#book.beginReport();
    let head = 0;
    for (let at = 0; at < this.#step.count; at += 1) {
      const sequence = this.#step.at(at);
      this.#hooks.advance(sequence);
      const firstHead = head;
      while (head < plan.headCount && plan.headSequence[head] === sequence.id) head += 1;
      this.#settle(sequence, head === firstHead ? 'goes-on' : applyHead(plan, result, sequence, head - 1));
    }
    this.#endAborting();
    return this.#book.report;
  }

  /** As `StepSource.fail`. */
  fail(plan: StepPlan): readonly number[] {
    this.assertInFlight(plan);
    this.#plan = undefined;
    this.#book.beginReport();
    for (let at = 0; at < this.#step.count; at += 1) {
      const sequence = this.#step.at(at);
      this.#end(sequence, sequence.abortRequested ? 'abort' : 'error');
    }
    this.#endAborting();
    const { finished, finishedCount } = this.#book.report;
    return Array.from(finished.subarray(0, finishedCount));
  }

  #settle(sequence: Sequence, outcome: StepOutcome): void {
    if (sequence.abortRequested) this.#end(sequence, 'abort');
    else if (outcome === 'goes-on') this.#hooks.goOn(sequence);
    else {
      this.#hooks.finish(sequence);
      this.#end(sequence, outcome);
    }
  }

  #endAborting(): void {
    for (let at = 0; at < this.#aborting.count; at += 1) {
      const sequence = this.#aborting.at(at);
      if (sequence.state !== 'ended') this.#end(sequence, 'abort');
    }
    this.#aborting.clear();
  }

  #end(sequence: Sequence, reason: FinishReason): void {
    this.#hooks.leave(sequence);
    this.#book.endReported(sequence, reason);
  }
}

/** Throws `INVALID_RESULT` when the executor's answer does not fit the plan; nothing is changed then. O(heads). */
function assertResult(plan: StepPlan, result: StepResult): void {
  const { tokens, stops } = result;
  if (tokens.length < plan.headCount || stops.length < plan.headCount) {
    const found = `${tokens.length} tokens and ${stops.length} stops`;
    throw new SchedulerError(
      'INVALID_RESULT',
      `The result has ${found}; give one of each for ${plan.headCount} heads.`,
    );
  }
  for (let head = 0; head < plan.headCount; head += 1) {
    if (plan.headSamples[head] === 0 || tokens[head]! >= 0) continue;
    throw new SchedulerError('INVALID_RESULT', `Head ${head} sampled token ${tokens[head]}; give an id of 0 or more.`);
  }
}

/** Appends the token that was sampled at `head`, the last one of `sequence`, if it samples. Effect: the sequence is one token longer. */
function applyHead(plan: StepPlan, result: StepResult, sequence: Sequence, head: number): StepOutcome {
  if (plan.headSamples[head] === 0) return 'goes-on';
  sequence.append(result.tokens[head]!);
  if (result.stops[head] === 1) return 'stop';
  return sequence.tokenCount === sequence.tokens.length ? 'length' : 'goes-on';
}
