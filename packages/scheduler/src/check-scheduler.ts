import { checkKv, fullPagesIn, type KvCache, KvError, pagesFor } from '@octavo/kv';
import { MAX_PREEMPTIONS } from './admission.ts';
import { checkPlan } from './check-plan.ts';
import { INTERNALS } from './internals.ts';
import type { Scheduler, SchedulerInternals } from './scheduler.ts';
import type { Sequence } from './sequence.ts';

/**
 * Recounts a scheduler and says which laws do not hold: 6, 7, 8 and 10 as far as it sees them, the states and counters of its
 * sequences, the order of its queue, single flight, the plan in flight (`checkPlan`), and everything that `checkKv` says about its cache.
 * Empty when healthy.
 *
 * Effect: none. Slow, O(pages + rows x positions): for tests and audits.
 */
export function checkScheduler(scheduler: Scheduler): string[] {
  const inside = scheduler[INTERNALS]();
  const violations: string[] = [];
  for (const sequence of inside.book.live()) checkSequence(sequence, inside, violations);
  checkQueues(inside, violations);
  checkRunning(inside, violations);
  checkTables(inside, violations);
  checkSingleFlight(inside, violations);
  if (inside.inFlight !== undefined) violations.push(...checkPlan(inside.inFlight, inside));
  violations.push(...kvViolations(inside.kv));
  return violations;
}

function checkSequence(sequence: Sequence, inside: SchedulerInternals, violations: string[]): void {
  const { id, state, lease, computedTokens, scheduledTokens, tokenCount, tokens, reachedTokens, usage } = sequence;
  const name = `sequence ${id} (${state})`;
  if (state === 'ended') violations.push(`law 10: ${name} is among the live ones`);
  if ((state === 'running') !== (lease !== undefined)) violations.push(`law 10: ${name} and its lease disagree`);
  if (tokenCount < sequence.promptTokens || tokenCount >= tokens.length) {
    violations.push(`${name} has ${tokenCount} of ${tokens.length} tokens`);
  }
  if (computedTokens + scheduledTokens > tokenCount || computedTokens < 0 || scheduledTokens < 0) {
    violations.push(`${name}: ${computedTokens} computed and ${scheduledTokens} scheduled of ${tokenCount} tokens`);
  }
  if (reachedTokens < computedTokens || reachedTokens >= tokenCount) {
    violations.push(`${name}: reached ${reachedTokens}, computed ${computedTokens} of ${tokenCount} tokens`);
  }
  const seenPrompt = Math.min(reachedTokens, usage.promptTokens);
  if (usage.cachedTokens + usage.computedTokens !== seenPrompt) {
    violations.push(`${name}: ${usage.cachedTokens} cached + ${usage.computedTokens} computed, not ${seenPrompt}`);
  }
  if (inside.inFlight === undefined && scheduledTokens > 0) violations.push(`${name} is scheduled between steps`);
  if (sequence.abortRequested && inside.inFlight === undefined) violations.push(`law 10: ${name} awaits its abort`);
}

function checkQueues(inside: SchedulerInternals, violations: string[]): void {
  const { admission, running, book } = inside;
  const counts = { waiting: 0, parked: 0, held: 0, running: 0, ended: 0 };
  for (const sequence of book.live()) counts[sequence.state] += 1;
  if (counts.waiting !== admission.queue.count)
    violations.push(`${counts.waiting} wait, ${admission.queue.count} queue`);
  if (counts.parked !== admission.parkedCount) violations.push(`${counts.parked} parked, not ${admission.parkedCount}`);
  if (counts.running !== running.length)
    violations.push(`${counts.running} run, and ${running.length} are kept as running`);
  for (const [place, sequence] of admission.queue.members().entries()) {
    if (sequence.state !== 'waiting') violations.push(`sequence ${sequence.id} is queued and ${sequence.state}`);
    if (sequence.queuePlace !== place)
      violations.push(`sequence ${sequence.id} is queued at another place than it says`);
    const first = admission.queue.first();
    if (first !== undefined && sequence !== first && sequence.priority > first.priority) {
      violations.push(`sequence ${sequence.id} is more urgent than the first of the queue`);
    }
  }
}

function checkRunning(inside: SchedulerInternals, violations: string[]): void {
  const { running, options } = inside;
  const seats = new Set<number>();
  if (running.length > options.maxSequences)
    violations.push(`${running.length} run, at most ${options.maxSequences} may`);
  for (const [at, sequence] of running.entries()) {
    if (sequence.state !== 'running') violations.push(`sequence ${sequence.id} is ${sequence.state} among the running`);
    if (seats.has(sequence.seat)) violations.push(`seat ${sequence.seat} is taken twice`);
    seats.add(sequence.seat);
    const before = running[at - 1];
    if (before !== undefined && before.admission >= sequence.admission) {
      violations.push(`sequence ${sequence.id} runs out of order of admission`);
    }
    if (sequence.preemptions > MAX_PREEMPTIONS) {
      violations.push(`law 10: sequence ${sequence.id} was preempted ${sequence.preemptions} times`);
    }
  }
}

/** Law 7 for each table, and law 6 between tables: a private page is in exactly one, and in no other's shared part. */
function checkTables(inside: SchedulerInternals, violations: string[]): void {
  const { running, pageSize } = inside;
  const owners = new Map<number, number>();
  for (const sequence of running) {
    if (sequence.lease === undefined) continue;
    const { id } = sequence;
    const { pageTable, pageCount, sharedPages } = sequence.lease;
    const needed = sequence.isReserved ? sequence.wholeTokens : sequence.computedTokens + sequence.scheduledTokens;
    // Beside the pages it needs, an admission that did without a partial copy may have one for the tokens which it then has to run.
    const least = pagesFor(needed, pageSize);
    if (pageCount < least || pageCount > least + 1) {
      violations.push(`law 7: sequence ${id} has ${pageCount} pages for ${needed} tokens, not ${least}`);
    }
    if (sequence.pageTable !== pageTable || sequence.roomTokens !== pageCount * pageSize) {
      violations.push(`law 7: sequence ${id} looks at an old page table`);
    }
    if (sharedPages > fullPagesIn(sequence.computedTokens, pageSize)) {
      violations.push(
        `law 6: sequence ${id} shares ${sharedPages} pages with ${sequence.computedTokens} computed tokens`,
      );
    }
    for (let index = sharedPages; index < pageCount; index += 1) {
      const page = pageTable[index]!;
      if (owners.has(page)) violations.push(`law 6: private page ${page} is in two page tables`);
      owners.set(page, id);
    }
  }
  for (const sequence of running) {
    if (sequence.lease === undefined) continue;
    for (let index = 0; index < sequence.lease.sharedPages; index += 1) {
      const page = sequence.lease.pageTable[index]!;
      if (owners.has(page)) violations.push(`law 6: page ${page} is private and shared`);
    }
  }
}

/** Waiters hold nothing, wait for a running sequence of their salt, and for a page that it has still to publish. */
function checkSingleFlight(inside: SchedulerInternals, violations: string[]): void {
  let pages = 0;
  let waiters = 0;
  for (const sequence of inside.book.live()) {
    const { producer } = sequence;
    if (sequence.state === 'running') pages += sequence.digests.length - sequence.firstInFlight;
    if (sequence.state === 'running') waiters += sequence.waiters.length;
    else if (sequence.waiters.length > 0)
      violations.push(`sequence ${sequence.id} is ${sequence.state} and waited for`);
    if ((sequence.state === 'parked') !== (producer !== undefined)) {
      violations.push(`sequence ${sequence.id} is ${sequence.state}, and its producer says otherwise`);
    }
    if (producer === undefined) continue;
    const isFair = producer.salt === sequence.salt && producer.mode === 'share' && sequence.mode === 'share';
    if (!isFair) violations.push(`law 12: sequence ${sequence.id} waits for ${producer.id} of another salt or mode`);
    if (sequence.awaitedPage < producer.firstInFlight || !producer.waiters.includes(sequence)) {
      violations.push(`law 10: sequence ${sequence.id} waits for page ${sequence.awaitedPage}, which will not come`);
    }
  }
  const { admission } = inside;
  checkQuota(inside, violations);
  if (waiters !== admission.parkedCount)
    violations.push(`${admission.parkedCount} are parked, ${waiters} are waited for`);
  if (pages !== admission.singleFlight.inFlightPages) {
    violations.push(`${admission.singleFlight.inFlightPages} pages are in flight, not ${pages}`);
  }
}

/** What is counted a salt is what runs and is held there. */
function checkQuota({ admission, running, book, pageSize }: SchedulerInternals, violations: string[]): void {
  const counted = new Map([...admission.quota.uses()].map((use) => [use.salt, use]));
  const held = [...book.live()].filter(({ state }) => state === 'held');
  if (held.length !== admission.quota.heldCount)
    violations.push(`${held.length} are held by their quota, but ${admission.quota.heldCount} are counted`);
  for (const salt of new Set([...counted.keys(), ...running.map((sequence) => sequence.salt)])) {
    const own = running.filter((sequence) => sequence.salt === salt);
    const pages = own.reduce((sum, { wholeTokens }) => sum + pagesFor(wholeTokens, pageSize), 0);
    const use = counted.get(salt);
    if (use?.running !== own.length || use.pages !== pages) {
      violations.push(
        `${own.length} of salt "${salt}" run and need ${pages} pages, but ${use?.running} and ${use?.pages} are counted`,
      );
    }
  }
}

/** A cache of somebody else's making is not checked. */
function kvViolations(kv: KvCache): string[] {
  try {
    return checkKv(kv);
  } catch (error) {
    if (error instanceof KvError && error.code === 'FOREIGN_CACHE') return [];
    throw error;
  }
}
