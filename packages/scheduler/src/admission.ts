import { fullPagesIn, InvariantBroken, type KvCache, type KvLease, pagesFor } from '@octavo/kv';
import { SchedulerError } from './errors.ts';
import type { RunningSet } from './running-set.ts';
import { SaltQuota, type SaltQuotaOptions } from './salt-quota.ts';
import type { Sequence } from './sequence.ts';
import { SequenceList } from './sequence-list.ts';
import { SingleFlight } from './single-flight.ts';
import { WaitingQueue } from './waiting-queue.ts';

/** Preemptions after which a sequence is admitted only with its whole remaining need reserved. */
export const MAX_PREEMPTIONS = 3;

/** Sequences that are parked in one step at most: each is matched and compared, and thousands may wait for the same prompt. */
const PARKS_PER_STEP = 32;

/** Sequences behind the first that are looked at in one step at most: a match of a thousand tokens takes two microseconds. */
const LOOKS_PER_STEP = 128;

/** Parks that are kept for whoever comes to be the first: without one, nobody is admitted in the step. */
const KEPT_PARKS = 16;

export interface AdmissionOptions {
  readonly kv: KvCache;
  readonly watermarkPages: number;
  readonly singleFlight: boolean;
  readonly saltQuota: SaltQuotaOptions;
}

/**
 * The way in: who waits, who waits for whom, and who may run now.
 *
 * In order of priority and arrival, those first of whose prompts more pages are there (see `isBefore`); parked sequences hold up nobody, but one that found no room holds up everybody behind it, so that
 * a long prompt is not overtaken for ever by short ones.
 */
export class Admission {
  readonly queue = new WaitingQueue();
  readonly singleFlight: SingleFlight;
  readonly quota: SaltQuota;
  parkedCount = 0;
  #parksLeft = PARKS_PER_STEP;
  readonly #looks = new SequenceList();

  readonly #kv: KvCache;
  readonly #watermarkPages: number;
  readonly #usesSingleFlight: boolean;
  readonly #running: RunningSet;

  constructor(options: AdmissionOptions, running: RunningSet) {
    this.#kv = options.kv;
    this.#watermarkPages = options.watermarkPages;
    this.#usesSingleFlight = options.singleFlight;
    this.#running = running;
    this.quota = new SaltQuota(options.saltQuota, options.kv.pageSize);
    this.singleFlight = new SingleFlight(options.kv.pageSize, (sequence) => {
      this.parkedCount -= 1;
      this.#enqueue(sequence);
    });
  }

  /** Waiting sequences, parked and held ones included. */
  get waitingCount(): number {
    return this.queue.count + this.parkedCount + this.quota.heldCount;
  }

  /** Effect: a submitted sequence waits. */
  enter(sequence: Sequence): void {
    if (this.#usesSingleFlight) this.singleFlight.enter(sequence);
    this.#enqueue(sequence);
  }

  /** Effect: a running sequence waits again; its waiters are woken, its published pages stay cached. */
  preempt(sequence: Sequence): void {
    this.leave(sequence);
    sequence.preemptions += 1;
    this.#enqueue(sequence);
  }

  /** Effect: a sequence of any state leaves: its lease is released, nobody waits for it, it waits for nobody. */
  leave(sequence: Sequence): void {
    if (sequence.state === 'waiting') this.queue.remove(sequence);
    else if (sequence.state === 'parked') {
      this.singleFlight.forget(sequence);
      this.parkedCount -= 1;
    } else if (sequence.state === 'held') this.quota.forget(sequence);
    else if (sequence.state === 'running') {
      this.#running.remove(sequence);
      this.singleFlight.withdraw(sequence);
      sequence.drop();
      for (const freed of this.quota.left(sequence)) this.#enqueue(freed);
    }
  }

  /**
   * Effect: parks the first of the queue for as long as they wait for pages in flight, also when there is no place to admit anybody: so that
   * urgent waiters lend their priority, and do not hide who could be admitted; then some of those behind, so that they go before colder
   * prompts once their pages are there. To be called once a step, before `tryAdmit`.
   */
  parkWaiters(): void {
    this.#parksLeft = PARKS_PER_STEP;
    while (this.singleFlight.inFlightPages > 0) {
      const sequence = this.#firstWithinQuota();
      if (sequence === undefined) return;
      if (!this.#tryPark(sequence, this.#match(sequence))) break;
    }
    if (this.singleFlight.inFlightPages === 0) return;
    const looks = this.#looks;
    looks.clear();
    const waiting = this.queue.members();
    // Listed before one of them leaves: the heap moves others into its place.
    for (let at = 1; at < Math.min(waiting.length, LOOKS_PER_STEP); at += 1) looks.push(waiting[at]!);
    for (let at = 0; at < looks.count && this.#parksLeft > KEPT_PARKS; at += 1) {
      const sequence = looks.at(at);
      const matched = this.#match(sequence);
      if (!this.#tryPark(sequence, matched)) this.#found(sequence, fullPagesIn(matched, this.#kv.pageSize));
    }
  }

  /** Effect: a waiting sequence goes before those of its time of whose prompts fewer pages are there. */
  #found(sequence: Sequence, pages: number): void {
    if (pages <= sequence.foundPages) return;
    this.queue.remove(sequence);
    sequence.foundPages = pages;
    this.queue.push(sequence);
  }

  /**
   * The next sequence, admitted with room for its first chunk of at most `chunkTokens`; undefined when nobody can be, or when the tokens
   * that the next one has to compute do not suit the step.
   */
  tryAdmit(chunkTokens: number, suits: (remainingTokens: number) => boolean): Sequence | undefined {
    for (;;) {
      const sequence = this.#firstWithinQuota();
      if (sequence === undefined || this.#parksLeft === 0) return undefined;
      const matched = this.#match(sequence);
      if (this.#tryPark(sequence, matched)) continue;
      if (!suits(sequence.tokenCount - matched)) return undefined;
      const lease = this.#tryAcquire(sequence, matched, chunkTokens);
      if (lease === undefined) return undefined;
      this.#admit(sequence, lease);
      return sequence;
    }
  }

  /** The first of the queue whose salt has room; those before it are held aside. */
  #firstWithinQuota(): Sequence | undefined {
    for (;;) {
      const sequence = this.queue.first();
      if (sequence === undefined || !this.quota.isFull(sequence)) return sequence;
      this.queue.remove(sequence);
      this.quota.hold(sequence);
    }
  }

  #enqueue(sequence: Sequence): void {
    sequence.state = 'waiting';
    this.queue.push(sequence);
  }

  #match(sequence: Sequence): number {
    if (sequence.mode === 'bypass') return 0;
    return this.#kv.match(sequence.tokens, sequence.tokenCount, sequence.salt).matchedTokens;
  }

  #tryPark(sequence: Sequence, matchedTokens: number): boolean {
    if (!this.#usesSingleFlight || this.#parksLeft === 0) return false;
    if (!this.singleFlight.tryPark(sequence, matchedTokens)) return false;
    this.queue.remove(sequence);
    this.parkedCount += 1;
    this.#parksLeft -= 1;
    return true;
  }

  #admit(sequence: Sequence, lease: KvLease): void {
    this.queue.remove(sequence);
    sequence.take(lease, this.#kv.pageSize);
    this.#running.add(sequence);
    this.quota.admitted(sequence);
    if (this.#usesSingleFlight) this.singleFlight.produce(sequence);
  }

  #tryAcquire(sequence: Sequence, matched: number, chunkTokens: number): KvLease | undefined {
    const { tokenCount } = sequence;
    const isReserving = sequence.preemptions >= MAX_PREEMPTIONS;
    const room = isReserving ? tokenCount : Math.min(tokenCount, matched + chunkTokens);
    const { tokens, salt, mode, claim, breakpoints } = sequence;
    const keepPages = this.#watermarkPages + this.#reservePages(sequence, room);
    const answer = this.#kv.acquire({
      ...{ tokens, tokenCount, salt, mode, keepPages, roomTokens: room },
      ...(claim === undefined ? {} : { claim }),
      ...(breakpoints === undefined ? {} : { breakpoints }),
    });
    if (answer.ok) return this.#reserved(sequence, answer.lease);
    if (this.#running.count > 0) return undefined;
    // Alone it fits: `submit` saw to that.
    throw new SchedulerError(
      'POOL_HELD_OUTSIDE',
      `Nothing runs, and still sequence ${sequence.id} finds ${answer.availablePages} of ${answer.neededPages} pages; ` +
        'release the leases that are held outside the scheduler.',
    );
  }

  /** Pages beyond `roomTokens` that a sequence which was preempted too often must be sure of. */
  #reservePages(sequence: Sequence, roomTokens: number): number {
    if (sequence.preemptions < MAX_PREEMPTIONS) return 0;
    const { pageSize } = this.#kv;
    return pagesFor(sequence.wholeTokens, pageSize) - pagesFor(roomTokens, pageSize);
  }

  #reserved(sequence: Sequence, lease: KvLease): KvLease {
    if (sequence.preemptions < MAX_PREEMPTIONS) return lease;
    // The pages were kept by the acquisition, so this cannot fail.
    if (!lease.tryExtend(sequence.wholeTokens).ok) {
      throw new InvariantBroken(10, `the pages reserved for sequence ${sequence.id} are not there`);
    }
    sequence.isReserved = true;
    return lease;
  }
}
