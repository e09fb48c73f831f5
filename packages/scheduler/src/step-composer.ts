import type { Admission } from './admission.ts';
import type { RunningSet } from './running-set.ts';
import type { Sequence } from './sequence.ts';
import { SequenceList } from './sequence-list.ts';

export interface ComposerOptions {
  readonly maxSequences: number;
  readonly tokenBudget: number;
  /** A chunk of so many tokens has a step of its own. */
  readonly longChunkTokens: number;
  /** Steps of prompts, one after the other, that those that decode wait for at most. */
  readonly promptStepsInTurn: number;
  /** Tokens a page. */
  readonly pageSize: number;
}

/**
 * Who is in the next step, and with how many tokens.
 *
 * Decodes first, so that a long prompt delays no stream by more than one chunk; then chunks; each in order of admission; then newly
 * admitted sequences. There are no phases: a decode is a sequence with one remaining token. Long chunks alone take turns with all others together: the
 * oldest long one, then a step of the others.
 *
 * With more than one step of prompts in turn, decodes wait for some: a step costs little more with many rows than with few, so that a burst is
 * through sooner when its prompts are computed first and all of it decodes together. Short chunks that are as long together as a long one then
 * have steps of their own as well: rows that read other pages make their groups no larger.
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
  /** Steps of prompts since the last one of all others together. */
  #promptSteps = 0;
  #wasLong = false;

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
    if (this.#promptSteps < this.#options.promptStepsInTurn && this.#composePrompts()) return;
    this.#composeTogether();
    this.#promptSteps = 0;
    this.#wasLong = false;
    if (this.step.count === 0) this.#composePrompts();
  }

  /** Effect: a step of prompts: long chunks take turns with short ones, which came from pages that a long one has computed. False: there are none. */
  #composePrompts(): boolean {
    if (this.#wasLong) return this.#composeShort() || this.#composeLong();
    return this.#composeLong() || this.#composeShort();
  }

  /** Effect: a step of the oldest long chunk that finds room. False: there is none. */
  #composeLong(): boolean {
    this.#budget = this.#options.tokenBudget;
    const candidates = this.#copyRunning();
    for (let at = 0; at < candidates.count && this.step.count === 0; at += 1) {
      if (this.#isLong(candidates.at(at).remainingTokens)) this.#schedule(candidates.at(at));
    }
    if (this.step.count === 0) this.#scheduleAdmitted(this.#isLong);
    this.step.filter(isScheduled);
    this.#wasLong = this.step.count > 0;
    if (this.#wasLong) this.#promptSteps += 1;
    return this.#wasLong;
  }

  /** Effect: a step of short chunks, with the decodes beside them where they are no longer together than a long one. False: there are none. */
  #composeShort(): boolean {
    const { promptStepsInTurn, tokenBudget, longChunkTokens } = this.#options;
    if (promptStepsInTurn === 1) return false;
    this.#budget = tokenBudget;
    const candidates = this.#copyRunning();
    this.#scheduleShort(candidates);
    while (this.#scheduleAdmitted(this.#isShort));
    this.step.filter(isScheduled);
    this.#wasLong = false;
    if (this.step.count === 0) return false;
    // Where decodes do not all find place beside them either, so that none is left out for longer than the others.
    if (tokenBudget - this.#budget >= longChunkTokens || decodesOf(candidates) > this.#budget) {
      this.#promptSteps += 1;
      return true;
    }
    this.#scheduleDecodes(candidates);
    this.step.filter(isScheduled);
    this.#promptSteps = 0;
    return this.step.count > 0;
  }

  #composeTogether(): void {
    this.#budget = this.#options.tokenBudget;
    const candidates = this.#copyRunning();
    this.#scheduleDecodes(candidates);
    this.#scheduleShort(candidates);
    while (this.#scheduleAdmitted(this.#isShort));
    // Those that were scheduled and then gave way to a later one.
    this.step.filter(isScheduled);
  }

  #scheduleDecodes(candidates: SequenceList): void {
    for (let at = 0; at < candidates.count; at += 1) {
      if (candidates.at(at).remainingTokens === 1) this.#schedule(candidates.at(at));
    }
  }

  #scheduleShort(candidates: SequenceList): void {
    for (let at = 0; at < candidates.count; at += 1) {
      const { remainingTokens } = candidates.at(at);
      if (remainingTokens > 1 && this.#isShort(remainingTokens)) this.#schedule(candidates.at(at));
    }
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

function decodesOf(candidates: SequenceList): number {
  let decodes = 0;
  for (let at = 0; at < candidates.count; at += 1) if (candidates.at(at).remainingTokens === 1) decodes += 1;
  return decodes;
}

function isScheduled(sequence: Sequence): boolean {
  return sequence.scheduledTokens > 0;
}
