import type { Admission } from './admission.ts';
import type { RunningSet } from './running-set.ts';
import type { Sequence } from './sequence.ts';
import { SequenceList } from './sequence-list.ts';

export interface ComposerOptions {
  readonly maxSequences: number;
  readonly tokenBudget: number;
  /** A chunk of so many tokens has a step of its own. */
  readonly longChunkTokens: number;
  /** Tokens a page. */
  readonly pageSize: number;
}

/**
 * Who is in the next step, and with how many tokens.
 *
 * Decodes first, so that a long prompt delays no stream by more than one chunk; then chunks; each in order of admission; then newly
 * admitted sequences. There are no phases: a decode is a sequence with one remaining token. Long chunks alone take turns with all others together: the
 * oldest long one, then a step of the others.
 */
export class StepComposer {
  /** The sequences of the step, in the order of their rows. */
  readonly step = new SequenceList();

  readonly #options: ComposerOptions;
  readonly #running: RunningSet;
  readonly #admission: Admission;
  readonly #priorityOf: (sequence: Sequence) => number;
  readonly #candidates = new SequenceList();
  readonly #isLong: (remainingTokens: number) => boolean;
  readonly #isShort: (remainingTokens: number) => boolean;
  #budget = 0;
  /** A running sequence found less room than it wanted: nobody is admitted in this step. */
  #isPressed = false;
  #wasAlone = false;

  constructor(options: ComposerOptions, running: RunningSet, admission: Admission) {
    this.#options = options;
    this.#running = running;
    this.#admission = admission;
    this.#isLong = (tokens) => Math.min(tokens, options.tokenBudget) >= options.longChunkTokens;
    this.#isShort = (tokens) => !this.#isLong(tokens);
    this.#priorityOf = (sequence) => admission.singleFlight.priorityOf(sequence);
  }

  /** Effect: fills `step` and sets `scheduledTokens`; extends, preempts and admits as needed. */
  compose(): void {
    this.#isPressed = false;
    this.step.clear();
    this.#admission.parkWaiters();
    if (!this.#wasAlone && this.#composeAlone()) return;
    this.#composeTogether();
    this.#wasAlone = false;
    if (this.step.count === 0) this.#composeAlone();
  }

  /** Effect: a step of the oldest long chunk that finds room. False: there is none. */
  #composeAlone(): boolean {
    this.#budget = this.#options.tokenBudget;
    const candidates = this.#copyRunning();
    for (let at = 0; at < candidates.count && this.step.count === 0; at += 1) {
      if (this.#isLong(candidates.at(at).remainingTokens)) this.#schedule(candidates.at(at));
    }
    if (this.step.count === 0) this.#scheduleAdmitted(this.#isLong);
    this.step.filter(isScheduled);
    if (this.step.count > 0) this.#wasAlone = true;
    return this.step.count > 0;
  }

  #composeTogether(): void {
    this.#budget = this.#options.tokenBudget;
    const candidates = this.#copyRunning();
    for (let at = 0; at < candidates.count; at += 1) {
      if (candidates.at(at).remainingTokens === 1) this.#schedule(candidates.at(at));
    }
    for (let at = 0; at < candidates.count; at += 1) {
      const { remainingTokens } = candidates.at(at);
      if (remainingTokens > 1 && !this.#isLong(remainingTokens)) this.#schedule(candidates.at(at));
    }
    while (this.#scheduleAdmitted(this.#isShort));
    // Those that were scheduled and then gave way to a later one.
    this.step.filter(isScheduled);
  }

  /** Effect: one more sequence runs, in this step. False: nobody can be admitted to it. */
  #scheduleAdmitted(suits: (remainingTokens: number) => boolean): boolean {
    if (this.#isPressed || this.#budget === 0 || this.#running.count >= this.#options.maxSequences) return false;
    const sequence = this.#admission.tryAdmit(this.#budget, suits);
    if (sequence !== undefined) this.#schedule(sequence);
    return sequence !== undefined;
  }

  /** The running ones, oldest admission first: scheduling may preempt some of them. */
  #copyRunning(): SequenceList {
    const members = this.#running.members();
    const candidates = this.#candidates;
    candidates.clear();
    for (let at = 0; at < members.length; at += 1) candidates.push(members[at]!);
    return candidates;
  }

  /**
   * Schedules as many remaining tokens of a running sequence as budget and pages allow. When not even one finds a page, others give way,
   * or the sequence itself does, or it sits out this step.
   */
  #schedule(sequence: Sequence): void {
    if (sequence.state !== 'running') return;
    const { pageSize } = this.#options;
    let tokens = Math.min(sequence.remainingTokens, this.#budget);
    while (tokens > 0 && sequence.roomTokens < sequence.computedTokens + tokens) {
      const answer = sequence.held().tryExtend(sequence.computedTokens + tokens);
      if (answer.ok) {
        sequence.refreshTable(pageSize);
        break;
      }
      this.#isPressed = true;
      const fitting = sequence.roomTokens + answer.availablePages * pageSize - sequence.computedTokens;
      if (fitting > 0 && fitting < tokens) tokens = fitting;
      else if (!this.#makeRoom(sequence)) return;
    }
    if (tokens === 0) return;
    sequence.scheduledTokens = tokens;
    this.#budget -= tokens;
    this.step.push(sequence);
  }

  /** Effect: preempts somebody, who may have been scheduled before. False: `sequence` has to sit out this step. */
  #makeRoom(sequence: Sequence): boolean {
    const victim = this.#running.victim(this.#priorityOf);
    if (victim === undefined) return false;
    this.#budget += victim.scheduledTokens;
    this.#admission.preempt(victim);
    return victim !== sequence;
  }
}

function isScheduled(sequence: Sequence): boolean {
  return sequence.scheduledTokens > 0;
}
