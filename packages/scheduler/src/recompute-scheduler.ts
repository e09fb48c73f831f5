import { AttentionPlanner } from './attention-planner.ts';
import { PastColumns } from './past-columns.ts';
import type { PlanInspection, PlannedSequence } from './plan-inspection.ts';
import { RunningSet } from './running-set.ts';
import { type RecomputeOptions, resolvedLimits, type StepLimits } from './scheduler-options.ts';
import { assertRequest, type Sequence } from './sequence.ts';
import { SequenceBook } from './sequence-book.ts';
import { SequenceList } from './sequence-list.ts';
import { StepColumns } from './step-columns.ts';
import { StepFlight } from './step-flight.ts';
import type { StepPlan, StepResult } from './step-plan.ts';
import { addWholeSequence } from './step-rows.ts';
import type {
  CommitReport,
  SequenceRequest,
  SequenceTokens,
  SequenceUsage,
  StepSource,
  SubmitResult,
} from './step-source.ts';
import { WaitingQueue } from './waiting-queue.ts';

const NO_PAGES = new Int32Array(0);

/**
 * Steps without any K/V: each step runs every token of a sequence again, to get one more. The baseline that a cache is measured
 * against, and an oracle: it has no pages, levels or reuse that could be wrong.
 *
 * Steps hold as many whole sequences as the token budget takes, in order of admission; one that is longer than the budget runs alone.
 * Tokens after the first run of each count as recomputed. Nothing is ever too long, preempted or cached.
 */
export class RecomputeScheduler implements StepSource {
  readonly #limits: StepLimits;
  readonly #queue = new WaitingQueue();
  readonly #running: RunningSet;
  readonly #book: SequenceBook;
  readonly #columns: StepColumns;
  readonly #step = new SequenceList();
  readonly #flight: StepFlight;

  constructor(options: RecomputeOptions) {
    this.#limits = resolvedLimits(options);
    this.#running = new RunningSet(this.#limits.maxSequences);
    this.#book = new SequenceBook(this.#limits.maxSequences);
    this.#columns = new StepColumns(new AttentionPlanner(new PastColumns(), { pageSize: 1 }), 'dropped');
    this.#flight = new StepFlight(this.#book, {
      advance: advanceAll,
      goOn: () => {},
      finish: () => {},
      leave: (sequence) => this.#leave(sequence),
    });
  }

  get waitingCount(): number {
    return this.#queue.count;
  }

  get runningCount(): number {
    return this.#running.count;
  }

  submit(request: SequenceRequest): SubmitResult {
    assertRequest(request);
    const { maxWaiting } = this.#limits;
    if (this.#queue.count >= maxWaiting) {
      return { ok: false, reason: 'queue-full', needed: this.#queue.count + 1, available: maxWaiting };
    }
    const sequence = this.#book.open(request);
    sequence.missReason = 'bypass';
    this.#queue.push(sequence);
    return { ok: true, sequence: sequence.id };
  }

  abort(sequence: number): boolean {
    return this.#flight.abort(sequence);
  }

  plan(): StepPlan | undefined {
    this.#flight.assertNone();
    this.#admit();
    this.#compose();
    if (this.#step.count === 0) return undefined;
    const columns = this.#columns;
    columns.begin();
    for (let at = 0; at < this.#step.count; at += 1) addWholeSequence(columns, this.#step.at(at));
    columns.chunks.fill(columns.sequenceCount, columns.firstRow, columns.scheduledTokens, columns.rowCount);
    this.#flight.takeOff(columns, this.#step);
    return columns;
  }

  commit(plan: StepPlan, result: StepResult): CommitReport {
    return this.#flight.commit(plan, result);
  }

  fail(plan: StepPlan): readonly number[] {
    return this.#flight.fail(plan);
  }

  usage(sequence: number): SequenceUsage {
    return this.#book.get(sequence).usage;
  }

  tokensOf(sequence: number): SequenceTokens {
    return this.#book.get(sequence);
  }

  /** For `checkPlan`: every sequence of a step begins at position 0 and has no pages. */
  inspect(): PlanInspection {
    return { pageSize: 1, planned: (id) => plannedSequence(this.#book.findLive(id)) };
  }

  #admit(): void {
    for (;;) {
      const sequence = this.#queue.first();
      if (sequence === undefined || this.#running.count === this.#limits.maxSequences) return;
      this.#queue.remove(sequence);
      this.#running.add(sequence);
    }
  }

  #compose(): void {
    const members = this.#running.members();
    let budget = this.#limits.tokenBudget;
    this.#step.clear();
    for (let at = 0; at < members.length; at += 1) {
      const sequence = members[at]!;
      if (at > 0 && sequence.tokenCount > budget) return;
      this.#step.push(sequence);
      budget -= sequence.tokenCount;
    }
  }

  #leave(sequence: Sequence): void {
    if (sequence.state === 'running') this.#running.remove(sequence);
    else this.#queue.remove(sequence);
  }
}

/** All of its tokens were run; nothing of it is kept. */
function advanceAll(sequence: Sequence): void {
  sequence.scheduledTokens = sequence.tokenCount;
  sequence.advance();
  sequence.drop();
}

function plannedSequence(sequence: Sequence | undefined): PlannedSequence | undefined {
  if (sequence === undefined) return undefined;
  const { tokens, tokenCount } = sequence;
  return { tokens, tokenCount, computedTokens: 0, pageTable: NO_PAGES, pageCount: 0, sharedPages: 0 };
}
