import type { Admission } from './admission.ts';
import type { RunningSet } from './running-set.ts';
import type { Sequence } from './sequence.ts';
import { SequenceList } from './sequence-list.ts';

export interface ComposerOptions {
  readonly maxSequences: number;
  readonly tokenBudget: number;
  /** Tokens a page. */
  readonly pageSize: number;
}

/**
 * Who is in the next step, and with how many tokens.
 *
 * Decodes first, so that a long prompt delays no stream by more than one chunk; then chunks; each in order of admission; then newly
 * admitted sequences. There are no phases: a decode is a sequence with one remaining token.
 */
export class StepComposer {
  /** The sequences of the step, in the order of their rows. */
  readonly step = new SequenceList();

  readonly #options: ComposerOptions;
  readonly #running: RunningSet;
  readonly #admission: Admission;
  readonly #priorityOf: (sequence: Sequence) => number;
  readonly #candidates = new SequenceList();
  #budget = 0;
  /** A running sequence found less room than it wanted: nobody is admitted in this step. */
  #isPressed = false;

  constructor(options: ComposerOptions, running: RunningSet, admission: Admission) {
    this.#options = options;
    this.#running = running;
    this.#admission = admission;
    this.#priorityOf = (sequence) => admission.singleFlight.priorityOf(sequence);
  }

  /** Effect: fills `step` and sets `scheduledTokens`; extends, preempts and admits as needed. */
  compose(): void {
    this.#budget = this.#options.tokenBudget;
    this.#isPressed = false;
    this.step.clear();
    this.#admission.parkWaiters();
    this.#scheduleRunning();
    while (!this.#isPressed && this.#budget > 0 && this.#running.count < this.#options.maxSequences) {
      const sequence = this.#admission.tryAdmit(this.#budget);
      if (sequence === undefined) break;
      this.#schedule(sequence);
    }
    // Those that were scheduled and then gave way to a later one.
    this.step.filter(isScheduled);
  }

  #scheduleRunning(): void {
    const members = this.#running.members();
    const candidates = this.#candidates;
    candidates.clear();
    for (let at = 0; at < members.length; at += 1) candidates.push(members[at]!);
    for (let at = 0; at < candidates.count; at += 1) {
      if (candidates.at(at).remainingTokens === 1) this.#schedule(candidates.at(at));
    }
    for (let at = 0; at < candidates.count; at += 1) {
      if (candidates.at(at).remainingTokens > 1) this.#schedule(candidates.at(at));
    }
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
