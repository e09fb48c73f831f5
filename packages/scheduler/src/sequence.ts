import {
  type Breakpoint,
  type CacheMode,
  type ClaimOptions,
  InvariantBroken,
  type KvLease,
  type MissReason,
  pagesFor,
} from '@octavo/kv';
import { NO_INT32 } from './columns.ts';
import { SchedulerError } from './errors.ts';
import type { SequenceRequest, SequenceUsage } from './step-source.ts';

/**
 * `waiting`: in the queue. `parked`: waits for pages that a running sequence produces. `held`: waits for room in its salt's quota.
 * `running`: has a lease. `ended`: has nothing.
 *
 *     waiting -> running -> ended        waiting <-> parked, held        running -> waiting (preempted)        waiting, parked, held -> ended
 */
export type SequenceState = 'waiting' | 'parked' | 'held' | 'running' | 'ended';

/**
 * One token stream. It has computed tokens (their K/V is in its pages) and remaining ones; steps let the first catch up with the
 * second, and there is no other phase. All storage is taken here, at submission: prompt and completion share one array.
 */
export class Sequence {
  readonly id: number;
  readonly salt: string;
  readonly mode: CacheMode;
  readonly claim: ClaimOptions | undefined;
  readonly breakpoints: readonly Breakpoint[] | undefined;
  readonly logits: 'last' | 'all';
  readonly priority: number;
  readonly maxTokens: number;
  readonly promptTokens: number;
  /** [promptTokens + maxTokens] */
  readonly tokens: Uint32Array;
  tokenCount: number;
  state: SequenceState = 'waiting';
  /** An abort came while a step was in flight; its commit ends the sequence. */
  abortRequested = false;

  // What it holds while it runs.
  lease: KvLease | undefined;
  /** The lease's table, fetched again whenever it may have moved. */
  pageTable: Int32Array = NO_INT32;
  /** Tokens that the table has room for. */
  roomTokens = 0;
  computedTokens = 0;
  /** Tokens of the step being planned or in flight; 0: not in it. */
  scheduledTokens = 0;
  /** Names the lease; later admissions have higher numbers. 0: never admitted. */
  admission = 0;
  seat = 0;
  /** Admitted with its whole remaining need reserved: never extends, never preempted. */
  isReserved = false;

  // What it has used.
  /** Tokens whose K/V it had at some time: what is run below is run again. */
  reachedTokens = 0;
  cachedTokens = 0;
  firstRunTokens = 0;
  recomputedTokens = 0;
  preemptions = 0;
  missReason: MissReason = 'none';
  /** Stored by leases that it gave back. */
  storedTokens = 0;

  // Places in the queue and in the single-flight table; theirs to write.
  queuePlace = 0;
  /** [full prompt pages] digest of the tokens up to and with each page. Empty: takes no part in single flight. */
  digests: Int32Array = NO_INT32;
  /** Prompt pages [firstInFlight, digests.length) are registered as being produced by this sequence. */
  firstInFlight = 0;
  producer: Sequence | undefined;
  /** Page of the producer's prompt whose publication ends the wait. */
  awaitedPage = 0;
  /** Prompt pages that were there when it last looked, or was woken: it goes before those of its time of whom fewer are. */
  foundPages = 0;
  readonly waiters: Sequence[] = [];

  constructor(id: number, request: SequenceRequest) {
    this.id = id;
    this.salt = request.salt;
    this.mode = request.mode;
    this.claim = request.claim;
    this.breakpoints = request.breakpoints;
    this.logits = request.logits;
    this.priority = request.priority;
    this.maxTokens = request.maxTokens;
    this.promptTokens = request.prompt.length;
    this.tokens = new Uint32Array(this.promptTokens + this.maxTokens);
    this.tokens.set(request.prompt);
    this.tokenCount = this.promptTokens;
  }

  get remainingTokens(): number {
    return this.tokenCount - this.computedTokens;
  }

  /** Tokens whose K/V it can ever need at once: the last sampled token is never run. */
  get wholeTokens(): number {
    return this.promptTokens + this.maxTokens - 1;
  }

  get usage(): SequenceUsage {
    return {
      promptTokens: this.promptTokens,
      cachedTokens: this.cachedTokens,
      computedTokens: this.firstRunTokens,
      recomputedTokens: this.recomputedTokens,
      completionTokens: this.tokenCount - this.promptTokens,
      preemptions: this.preemptions,
      missReason: this.missReason,
      storedTokens: this.storedTokens + (this.lease?.storedTokens ?? 0),
    };
  }

  /** Effect: the lease is its; computed tokens are what was matched. Counts reuse, once per token. */
  take(lease: KvLease, pageSize: number): void {
    this.lease = lease;
    this.computedTokens = lease.matchedTokens;
    if (this.admission === 0) this.missReason = lease.missReason;
    // Found beyond what it ever had: reused instead of run, also when that happens after a preemption.
    const found = Math.min(lease.matchedTokens, this.promptTokens) - this.reachedTokens;
    if (found > 0) this.cachedTokens += found;
    this.reachedTokens = Math.max(this.reachedTokens, lease.matchedTokens);
    this.refreshTable(pageSize);
  }

  /** Effect: fetches the table again, after the lease was extended or published. */
  refreshTable(pageSize: number): void {
    const lease = this.held();
    this.pageTable = lease.pageTable;
    this.roomTokens = lease.pageCount * pageSize;
  }

  /** The lease of a running sequence. */
  held(): KvLease {
    if (this.lease === undefined) {
      throw new InvariantBroken(10, `sequence ${this.id} is ${this.state} and has no lease`);
    }
    return this.lease;
  }

  /** Effect: the scheduled tokens were run: counts them and advances. */
  advance(): void {
    const end = this.computedTokens + this.scheduledTokens;
    const again = Math.min(end, this.reachedTokens) - this.computedTokens;
    const first = Math.min(end, this.promptTokens) - Math.max(this.computedTokens, this.reachedTokens);
    if (again > 0) this.recomputedTokens += again;
    if (first > 0) this.firstRunTokens += first;
    this.computedTokens = end;
    this.reachedTokens = Math.max(this.reachedTokens, end);
  }

  /** Effect: appends a sampled token. */
  append(token: number): void {
    this.tokens[this.tokenCount] = token;
    this.tokenCount += 1;
  }

  /** Effect: gives the lease back; nothing is computed any more. */
  drop(): void {
    this.storedTokens += this.lease?.storedTokens ?? 0;
    this.lease?.release();
    this.lease = undefined;
    this.pageTable = NO_INT32;
    this.roomTokens = 0;
    this.computedTokens = 0;
    this.scheduledTokens = 0;
    this.isReserved = false;
  }
}

/** Pages of the whole of a request at once. Pure. */
export function wholePages(request: SequenceRequest, pageSize: number): number {
  return pagesFor(request.prompt.length + request.maxTokens - 1, pageSize);
}

const MODES: readonly CacheMode[] = ['share', 'use-only', 'bypass'];

/** Throws `INVALID_REQUEST` for what no scheduler can run. */
export function assertRequest(request: SequenceRequest): void {
  const { prompt, maxTokens, priority, salt, mode, logits } = request;
  if (prompt.length < 1) throw invalid('The prompt has 0 tokens; give at least 1.');
  if (!Number.isInteger(maxTokens) || maxTokens < 1) {
    throw invalid(`maxTokens is ${maxTokens}; give a whole number of tokens, at least 1.`);
  }
  if (!Number.isFinite(priority)) throw invalid(`priority is ${priority}; give a finite number.`);
  if (typeof salt !== 'string') throw invalid(`salt is ${salt}; give a text, '' for none.`);
  // What the cache refuses only when the sequence is admitted would stop the steps of all.
  if (!MODES.includes(mode)) throw invalid(`mode is ${mode}; give 'share', 'use-only' or 'bypass'.`);
  if (logits !== 'last' && logits !== 'all') throw invalid(`logits is ${logits}; give 'last' or 'all'.`);
  if (logits === 'all' && mode !== 'bypass') {
    throw invalid("logits 'all' needs mode 'bypass': tokens found in the cache have no logits.");
  }
}

function invalid(message: string): SchedulerError {
  return new SchedulerError('INVALID_REQUEST', message);
}
