import { fullPagesIn, InvariantBroken, type KvCache } from '@octavo/kv';
import { Admission } from './admission.ts';
import { AttentionPlanner } from './attention-planner.ts';
import { checkPlan } from './check-plan.ts';
import { SchedulerError } from './errors.ts';
import { INTERNALS } from './internals.ts';
import { PastColumns } from './past-columns.ts';
import { planDigest } from './plan-digest.ts';
import type { PlanInspection, PlannedSequence } from './plan-inspection.ts';
import { RunningSet } from './running-set.ts';
import { resolvedOptions, type SchedulerOptions } from './scheduler-options.ts';
import { assertRequest, type Sequence, wholePages } from './sequence.ts';
import { SequenceBook } from './sequence-book.ts';
import { StepColumns } from './step-columns.ts';
import { StepComposer } from './step-composer.ts';
import { StepFlight } from './step-flight.ts';
import type { StepPlan, StepResult } from './step-plan.ts';
import { addSequenceRows } from './step-rows.ts';
import type {
  CommitReport,
  SequenceRequest,
  SequenceTokens,
  SequenceUsage,
  StepSource,
  SubmitResult,
} from './step-source.ts';

/** The inside of a scheduler, live. */
export interface SchedulerInternals extends PlanInspection {
  readonly kv: KvCache;
  readonly options: Required<SchedulerOptions>;
  readonly admission: Admission;
  /** In order of admission. */
  readonly running: readonly Sequence[];
  readonly book: SequenceBook;
  /** Undefined between a commit and the next plan. */
  readonly inFlight: StepPlan | undefined;
}

/**
 * Continuous batching over shared pages. A step lets the computed tokens of each running sequence catch up with its tokens.
 *
 * Synchronous and deterministic: the same calls give the same plans. Nothing is allocated per token after warm-up.
 */
export class Scheduler implements StepSource {
  readonly #options: Required<SchedulerOptions>;
  readonly #kv: KvCache;
  readonly #pageSize: number;
  readonly #running: RunningSet;
  readonly #admission: Admission;
  readonly #book: SequenceBook;
  readonly #past = new PastColumns();
  readonly #planner: AttentionPlanner;
  readonly #columns: StepColumns;
  readonly #composer: StepComposer;
  readonly #flight: StepFlight;
  #plannedDigest = 0;

  constructor(options: SchedulerOptions) {
    this.#options = resolvedOptions(options);
    const { kv, maxSequences } = this.#options;
    const limits = { ...this.#options, pageSize: kv.pageSize };
    this.#kv = kv;
    this.#pageSize = kv.pageSize;
    this.#running = new RunningSet(maxSequences);
    this.#admission = new Admission(this.#options, this.#running);
    this.#book = new SequenceBook(maxSequences);
    this.#planner = new AttentionPlanner(this.#past, limits);
    this.#columns = new StepColumns(this.#planner, 'kept');
    this.#composer = new StepComposer(limits, this.#running, this.#admission);
    this.#flight = new StepFlight(this.#book, {
      advance: (sequence) => this.#advance(sequence),
      goOn: (sequence) => this.#publish(sequence),
      finish: (sequence) => this.#seal(sequence),
      leave: (sequence) => this.#admission.leave(sequence),
    });
  }

  get waitingCount(): number {
    return this.#admission.waitingCount;
  }

  get runningCount(): number {
    return this.#running.count;
  }

  /** Pages that one sequence can have at most: what `submit` compares with. */
  get maxSequencePages(): number {
    const { pages, pinBudgetPages } = this.#kv;
    // Pinned pages cannot make room: whatever the pins, the rest of the pool is there for requests.
    return Math.min(pages - 1 - pinBudgetPages - this.#options.watermarkPages, this.#admission.quota.maxPages);
  }

  submit(request: SequenceRequest): SubmitResult {
    assertRequest(request);
    this.#kv.assertLifetime(request);
    const { maxWaiting } = this.#options;
    const needed = wholePages(request, this.#pageSize);
    const available = this.maxSequencePages;
    if (needed > available) return { ok: false, reason: 'too-long', needed, available };
    if (this.waitingCount >= maxWaiting) {
      return { ok: false, reason: 'queue-full', needed: this.waitingCount + 1, available: maxWaiting };
    }
    const sequence = this.#book.open(request);
    this.#admission.enter(sequence);
    return { ok: true, sequence: sequence.id };
  }

  abort(sequence: number): boolean {
    return this.#flight.abort(sequence);
  }

  plan(): StepPlan | undefined {
    this.#flight.assertNone();
    this.#kv.expire();
    this.#composer.compose();
    return this.#writePlan();
  }

  commit(plan: StepPlan, result: StepResult): CommitReport {
    this.#assertUnchanged(plan);
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

  /** What `checkPlan` compares a plan in flight with. */
  inspect(): PlanInspection {
    return { pageSize: this.#pageSize, planned: (id) => plannedSequence(this.#book.findLive(id)) };
  }

  /** The parts. Not for callers: see `internals.ts`. */
  [INTERNALS](): SchedulerInternals {
    return {
      ...this.inspect(),
      kv: this.#kv,
      options: this.#options,
      admission: this.#admission,
      running: this.#running.members(),
      book: this.#book,
      inFlight: this.#flight.plan,
    };
  }

  #writePlan(): StepPlan | undefined {
    const columns = this.#columns;
    const { step } = this.#composer;
    if (step.count === 0) {
      this.#assertIdle();
      return undefined;
    }
    columns.begin();
    this.#past.begin();
    for (let at = 0; at < step.count; at += 1) {
      const sequence = step.at(at);
      if (sequence.computedTokens > 0) this.#past.add(sequence, columns.rowCount, sequence.scheduledTokens);
      addSequenceRows(columns, sequence, this.#pageSize);
    }
    this.#planner.plan(columns.rowCount);
    columns.chunks.fill(columns.sequenceCount, columns.firstRow, columns.scheduledTokens, columns.rowCount);
    this.#flight.takeOff(columns, step);
    if (this.#options.checks === 'every-step') this.#provePlan();
    return columns;
  }

  #advance(sequence: Sequence): void {
    const lease = sequence.held();
    if (lease.copies.length > 0) lease.transferred();
    sequence.advance();
    sequence.scheduledTokens = 0;
  }

  /** Written, then published: the pages that the step filled are shared from here on. */
  #publish(sequence: Sequence): void {
    const lease = sequence.held();
    const fullPages = fullPagesIn(sequence.computedTokens, this.#pageSize);
    if (sequence.mode !== 'share' || fullPages <= lease.sharedPages) return;
    lease.publish(sequence.tokens, sequence.computedTokens);
    sequence.refreshTable(this.#pageSize);
    // Cut off from the index by `clear`, a lease publishes no more; nobody should wait for it.
    if (lease.sharedPages < fullPages) this.#admission.singleFlight.withdraw(sequence);
    else this.#admission.singleFlight.published(sequence, fullPages);
  }

  #seal(sequence: Sequence): void {
    if (sequence.mode !== 'share') return;
    this.#publish(sequence);
    // The last sampled token was never run, so it has no K/V.
    sequence.held().seal(sequence.tokens, sequence.computedTokens);
  }

  #assertUnchanged(plan: StepPlan): void {
    if (this.#options.checks === 'none' || this.#flight.plan !== plan) return;
    if (planDigest(plan) === this.#plannedDigest) return;
    throw new SchedulerError(
      'PLAN_CHANGED',
      `Somebody wrote into the columns of step ${plan.stepId}; they are read-only.`,
    );
  }

  #provePlan(): void {
    const violations = checkPlan(this.#columns, this.inspect());
    if (violations.length > 0) throw new InvariantBroken(6, `the plan is wrong: ${violations.join('; ')}`);
    this.#plannedDigest = planDigest(this.#columns);
  }

  /** The oldest running sequence always finds room, unless somebody else holds the pages. */
  #assertIdle(): void {
    if (this.#running.count === 0) return;
    throw new SchedulerError(
      'POOL_HELD_OUTSIDE',
      `${this.#running.count} running sequences find no page; release the leases that are held outside the scheduler.`,
    );
  }
}

function plannedSequence(sequence: Sequence | undefined): PlannedSequence | undefined {
  if (sequence?.lease === undefined) return undefined;
  const { tokens, tokenCount, computedTokens, lease } = sequence;
  const { pageTable, pageCount, sharedPages } = lease;
  return { tokens, tokenCount, computedTokens, pageTable, pageCount, sharedPages };
}

/** A scheduler over `options.kv`. Throws `INVALID_OPTION`. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  return new Scheduler(options);
}
