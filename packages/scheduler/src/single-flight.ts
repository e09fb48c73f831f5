import { fullPagesIn } from '@octavo/kv';
import { InFlightPages } from './in-flight-pages.ts';
import { promptDigests } from './prompt-digest.ts';
import type { Sequence } from './sequence.ts';

/**
 * Two requests with the same cold prefix compute it once: a sequence whose next unmatched prompt page is being produced by a running
 * one waits for it. A waiter holds no lease and no pages, so it can block nobody; it matches again when the last page that the two
 * have in common is published, or when the producer is gone (aborted, failed, preempted), and then runs or becomes the producer itself.
 *
 * Only full prompt pages under the same salt are waited for. Producers and waiters both have `mode: 'share'`.
 */
export class SingleFlight {
  readonly #pages = new InFlightPages();
  readonly #pageSize: number;
  readonly #wake: (sequence: Sequence) => void;

  /** `wake` puts a sequence that needs not wait any more back into the queue. */
  constructor(pageSize: number, wake: (sequence: Sequence) => void) {
    this.#pageSize = pageSize;
    this.#wake = wake;
  }

  /** Pages that are registered as being produced. */
  get inFlightPages(): number {
    return this.#pages.count;
  }

  /** Effect: makes a submitted sequence known. O(prompt). */
  enter(sequence: Sequence): void {
    if (sequence.mode !== 'share') return;
    const { tokens, promptTokens, salt, breakpoints } = sequence;
    // Beyond its last breakpoint it publishes nothing that another could wait for.
    const storedTokens = Math.min(promptTokens, breakpoints?.at(-1)?.tokens ?? promptTokens);
    sequence.digests = promptDigests(tokens, storedTokens, this.#pageSize, salt);
    sequence.firstInFlight = sequence.digests.length;
  }

  /** Effect: `sequence`, just admitted, produces its prompt pages from the first unmatched one on. O(pages). */
  produce(sequence: Sequence): void {
    const { digests } = sequence;
    sequence.firstInFlight = Math.min(fullPagesIn(sequence.computedTokens, this.#pageSize), digests.length);
    for (let page = sequence.firstInFlight; page < digests.length; page += 1) {
      this.#pages.add(digests[page]!, sequence, page);
    }
  }

  /**
   * Parks `sequence` when the page after its `matchedTokens` is being produced. Effect: it is then among the producer's waiters.
   * Returns whether it waits. O(prompt) when a candidate is found, O(1) else.
   */
  tryPark(sequence: Sequence, matchedTokens: number): boolean {
    const { digests } = sequence;
    const page = fullPagesIn(matchedTokens, this.#pageSize);
    if (this.#pages.count === 0 || page >= digests.length) return false;
    const producer = this.#pages.find(digests[page]!, page, (owner) => this.#sharesPages(sequence, owner, page + 1));
    if (producer === undefined) return false;
    sequence.producer = producer;
    sequence.awaitedPage = this.#lastCommonPage(sequence, producer, page);
    sequence.state = 'parked';
    producer.waiters.push(sequence);
    return true;
  }

  /** Effect: `sequence` published its first `pages` prompt pages; who waited for no more than those is woken. */
  published(sequence: Sequence, pages: number): void {
    this.#advance(sequence, pages, true);
  }

  /** Effect: `sequence` produces nothing any more (ended, preempted, or cut off from the index); its waiters are woken. */
  withdraw(sequence: Sequence): void {
    this.#advance(sequence, sequence.digests.length, false);
  }

  #advance(sequence: Sequence, pages: number, arePublished: boolean): void {
    const { digests, waiters } = sequence;
    for (; sequence.firstInFlight < Math.min(pages, digests.length); sequence.firstInFlight += 1) {
      const page = sequence.firstInFlight;
      this.#pages.remove(digests[page]!, sequence, page);
    }
    for (let at = waiters.length - 1; at >= 0; at -= 1) {
      const waiter = waiters[at]!;
      if (waiter.awaitedPage >= sequence.firstInFlight) continue;
      if (arePublished) waiter.foundPages = waiter.awaitedPage + 1;
      this.#release(sequence, at);
    }
  }

  /** Effect: a parked sequence waits no longer, without being woken. */
  forget(waiter: Sequence): void {
    const { producer } = waiter;
    if (producer === undefined) return;
    const at = producer.waiters.indexOf(waiter);
    this.#unlink(producer, at);
  }

  /** The priority of a sequence, or that of its most urgent waiter if it is higher. O(waiters). */
  priorityOf(sequence: Sequence): number {
    let { priority } = sequence;
    for (let at = 0; at < sequence.waiters.length; at += 1) {
      priority = Math.max(priority, sequence.waiters[at]!.priority);
    }
    return priority;
  }

  #release(producer: Sequence, at: number): void {
    const waiter = this.#unlink(producer, at);
    this.#wake(waiter);
  }

  #unlink(producer: Sequence, at: number): Sequence {
    const waiter = producer.waiters[at]!;
    const last = producer.waiters.pop()!;
    if (last !== waiter) producer.waiters[at] = last;
    waiter.producer = undefined;
    return waiter;
  }

  #lastCommonPage(waiter: Sequence, producer: Sequence, from: number): number {
    const pages = Math.min(waiter.digests.length, producer.digests.length);
    let page = from + 1;
    while (page < pages && waiter.digests[page] === producer.digests[page]) page += 1;
    return page - 1;
  }

  #sharesPages(left: Sequence, right: Sequence, pages: number): boolean {
    if (left.salt !== right.salt) return false;
    for (let token = pages * this.#pageSize - 1; token >= 0; token -= 1) {
      if (left.tokens[token] !== right.tokens[token]) return false;
    }
    return true;
  }
}
