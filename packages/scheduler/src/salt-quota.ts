import { pagesFor } from '@octavo/kv';
import type { Sequence } from './sequence.ts';

/** What the sequences of one salt may take at the same time. */
export interface SaltQuotaOptions {
  /** Running sequences, at least 1. Default: no limit of its own. */
  readonly maxRunning?: number;
  /** Pages that its running sequences may come to need, at least 1. Default: no limit of its own. */
  readonly maxPages?: number;
}

interface SaltUse {
  running: number;
  /** Of the running ones, each with its whole need. */
  pages: number;
  /** Those that wait for their own salt, in order of arrival here. */
  readonly held: Sequence[];
}

/**
 * Keeps one salt from taking everything: a sequence over its salt's quota is held aside until another of the same salt leaves, and meanwhile holds
 * up nobody else. Counts whole needs, so what is admitted can grow to its end within the quota.
 */
export class SaltQuota {
  heldCount = 0;
  readonly #options: Required<SaltQuotaOptions>;
  readonly #pageSize: number;
  readonly #bySalt = new Map<string, SaltUse>();

  constructor(options: SaltQuotaOptions, pageSize: number) {
    const none = Number.POSITIVE_INFINITY;
    this.#options = { maxRunning: options.maxRunning ?? none, maxPages: options.maxPages ?? none };
    this.#pageSize = pageSize;
  }

  /** Pages that one sequence can have at most. */
  get maxPages(): number {
    return this.#options.maxPages;
  }

  /** Has its salt no room for it now? O(1). */
  isFull(sequence: Sequence): boolean {
    const use = this.#bySalt.get(sequence.salt);
    if (use === undefined) return false;
    const { maxRunning, maxPages } = this.#options;
    return use.running >= maxRunning || use.pages + this.#needOf(sequence) > maxPages;
  }

  /** Effect: the sequence waits for its salt. */
  hold(sequence: Sequence): void {
    this.#useOf(sequence.salt).held.push(sequence);
    sequence.state = 'held';
    this.heldCount += 1;
  }

  /** Effect: a held sequence waits no longer. O(held of its salt). */
  forget(sequence: Sequence): void {
    const use = this.#useOf(sequence.salt);
    use.held.splice(use.held.indexOf(sequence), 1);
    this.heldCount -= 1;
    this.#dropUnused(sequence.salt, use);
  }

  /** Effect: the sequence runs. */
  admitted(sequence: Sequence): void {
    const use = this.#useOf(sequence.salt);
    use.running += 1;
    use.pages += this.#needOf(sequence);
  }

  /** Effect: the sequence runs no longer. Returns those of its salt that may try again. */
  left(sequence: Sequence): readonly Sequence[] {
    const use = this.#useOf(sequence.salt);
    use.running -= 1;
    use.pages -= this.#needOf(sequence);
    const freed = use.held.splice(0);
    this.heldCount -= freed.length;
    this.#dropUnused(sequence.salt, use);
    return freed;
  }

  /** [salt, running, pages, held] as counted, for the checker. */
  *uses(): Generator<{ salt: string; running: number; pages: number; held: readonly Sequence[] }> {
    for (const [salt, use] of this.#bySalt) yield { salt, ...use };
  }

  #needOf(sequence: Sequence): number {
    return pagesFor(sequence.wholeTokens, this.#pageSize);
  }

  #useOf(salt: string): SaltUse {
    const known = this.#bySalt.get(salt);
    if (known !== undefined) return known;
    const use: SaltUse = { running: 0, pages: 0, held: [] };
    this.#bySalt.set(salt, use);
    return use;
  }

  #dropUnused(salt: string, use: SaltUse): void {
    if (use.running === 0 && use.held.length === 0) this.#bySalt.delete(salt);
  }
}
