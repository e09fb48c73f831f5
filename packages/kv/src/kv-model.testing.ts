import { expect } from 'vitest';
import type { CacheMode, KvCache, KvLease } from './kv-cache.ts';

/**
 * What the property tests believe: plain prompts, and the prefixes that were published, compared letter by letter.
 * It is exact about reuse as long as nothing was evicted.
 */
export class KvModel {
  readonly pageSize: number;
  readonly sequences: ModelSequence[] = [];
  #nextId = 0;
  #published: { readonly salt: string; readonly tokens: readonly number[] }[] = [];

  constructor(pageSize: number) {
    this.pageSize = pageSize;
  }

  add(sequence: Pick<ModelSequence, 'salt' | 'mode' | 'tokens' | 'written'>): ModelSequence {
    const { salt, tokens } = sequence;
    const rows = tokens.map((_, position) => `${salt}|${tokens.slice(0, position + 1).join(' ')}`);
    const fresh = { id: this.#nextId++, rows, isDetached: false, sealedTokens: undefined, source: undefined };
    const added = { ...sequence, ...fresh };
    this.sequences.push(added);
    return added;
  }

  remove(sequence: ModelSequence): void {
    this.sequences.splice(this.sequences.indexOf(sequence), 1);
  }

  /** Longest common prefix with anything published under the salt, the last token left out. */
  longestPrefix(tokens: readonly number[], salt: string): number {
    const wanted = tokens.slice(0, -1);
    const common = this.#published
      .filter((entry) => entry.salt === salt)
      .map((entry) => commonOf(entry.tokens, wanted));
    return Math.max(0, ...common);
  }

  /** Full pages, up to the first that a fork still copies from. */
  publish(sequence: ModelSequence): void {
    if (sequence.mode === 'bypass' || sequence.isDetached || sequence.sealedTokens !== undefined) return;
    const readPlaces = this.#placesReadFrom(sequence);
    const full = Math.min(Math.floor(sequence.written / this.pageSize), ...readPlaces);
    this.#published.push({ salt: sequence.salt, tokens: sequence.tokens.slice(0, full * this.pageSize) });
  }

  seal(sequence: ModelSequence): void {
    this.publish(sequence);
    if (sequence.sealedTokens !== undefined) return;
    sequence.sealedTokens = sequence.written;
    if (sequence.mode === 'bypass' || sequence.isDetached || this.#placesReadFrom(sequence).length > 0) return;
    this.#published.push({ salt: sequence.salt, tokens: sequence.tokens.slice(0, sequence.written) });
  }

  clear(salt: string | undefined): void {
    const isCleared = (entry: { readonly salt: string }) => salt === undefined || entry.salt === salt;
    this.#published = this.#published.filter((entry) => !isCleared(entry));
    for (const sequence of this.sequences) sequence.isDetached ||= isCleared(sequence);
  }

  /** Places of the table that a fork has still to copy from. Only forks copy from pages that are not published. */
  #placesReadFrom(sequence: ModelSequence): number[] {
    return this.sequences.flatMap(({ source }) => (source?.sequence === sequence ? source.places : []));
  }
}

/** One token stream; `tokens` are its prompt and everything it will ever generate. */
export interface ModelSequence {
  readonly id: number;
  readonly salt: string;
  readonly mode: CacheMode;
  readonly tokens: readonly number[];
  /** Tokens whose rows are in pages. */
  written: number;
  isDetached: boolean;
  sealedTokens: number | undefined;
  /** What an executor keeps for each token, in words: all that its K/V depends on. */
  readonly rows: readonly string[];
  /** The pages that a fork has still to copy from. */
  source: { readonly sequence: ModelSequence; readonly places: readonly number[] } | undefined;
}

/**
 * One cache and the bytes that an executor would keep for it: in every slot, the salt and the whole prefix that its row was computed from.
 * A page that is shared wrongly, or freed too early and written by another, shows as a row of another prefix.
 */
export class DrivenCache {
  readonly cache: KvCache;
  readonly leases = new Map<number, KvLease>();
  readonly #rows = new Map<number, string>();

  constructor(cache: KvCache) {
    this.cache = cache;
  }

  leaseOf(sequence: ModelSequence): KvLease {
    const lease = this.leases.get(sequence.id);
    if (lease === undefined) throw new Error(`sequence ${sequence.id} has no lease`);
    return lease;
  }

  /** What a step does: writes the rows of tokens [from, to). */
  write(sequence: ModelSequence, from: number, to: number): void {
    for (let position = from; position < to; position++) {
      this.#rows.set(this.#slot(sequence, position), sequence.rows[position] as string);
    }
  }

  /** What a step does before: performs the pending copies. */
  copy(sequence: ModelSequence): void {
    for (const { from, to, tokens } of this.leaseOf(sequence).copies) {
      for (let offset = 0; offset < tokens; offset++) {
        const row = this.#rows.get(from * this.cache.pageSize + offset);
        this.#rows.set(to * this.cache.pageSize + offset, row ?? 'nothing was ever written here');
      }
    }
  }

  /** Every row that a live sequence relies on is the one that it would have computed itself. */
  expectRows(sequences: readonly ModelSequence[]): void {
    const { pageSize } = this.cache;
    for (const sequence of sequences) {
      const { copies } = this.leaseOf(sequence);
      for (let position = 0; position < sequence.written; position++) {
        const slot = this.#slot(sequence, position);
        const pending = copies.find(({ to }) => to === Math.floor(slot / pageSize));
        const held = pending === undefined ? slot : pending.from * pageSize + (slot % pageSize);
        // Compared before it is asserted: this runs very often.
        if (this.#rows.get(held) !== sequence.rows[position]) {
          expect(`slot ${held}: ${this.#rows.get(held)}`).toBe(`slot ${held}: ${sequence.rows[position]}`);
        }
      }
    }
  }

  #slot(sequence: ModelSequence, position: number): number {
    const { pageSize } = this.cache;
    const page = this.leaseOf(sequence).pageTable[Math.floor(position / pageSize)] as number;
    return page * pageSize + (position % pageSize);
  }
}

function commonOf(a: readonly number[], b: readonly number[]): number {
  const limit = Math.min(a.length, b.length);
  for (let at = 0; at < limit; at++) if (a[at] !== b[at]) return at;
  return limit;
}
