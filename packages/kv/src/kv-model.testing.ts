import { expect } from 'vitest';
import type { CacheMode, KvCache, KvLease } from './kv-cache.ts';
import type { ClaimOptions, PinId, Restoration } from './lifetimes.ts';

const NEVER = Number.POSITIVE_INFINITY;

/**
 * What the property tests believe: plain prompts, the claims on their prefixes, and what was ever published, compared letter by letter. It
 * bounds reuse from both sides as long as nothing was evicted: what a claim surely covers must be found, what no claim can cover must not.
 */
export class KvModel {
  readonly pageSize: number;
  readonly sequences: ModelSequence[] = [];
  readonly pins: ModelPin[] = [];
  /** The wheel may not have come to the present: what has expired may hide what lives beside it. */
  isLate = false;
  /** The injected clock. */
  nowMs = 1_000;
  #nextId = 0;
  /** All that was ever published, whether or not it is there. */
  #published: { readonly salt: string; readonly tokens: readonly number[] }[] = [];
  #claims: ModelClaim[] = [];
  readonly #contexts = new Map<string, readonly string[]>();

  constructor(pageSize: number) {
    this.pageSize = pageSize;
  }

  add(
    sequence: Pick<ModelSequence, 'salt' | 'mode' | 'tokens' | 'written' | 'options' | 'storeTokens'>,
  ): ModelSequence {
    const { salt, tokens, written, options, mode } = sequence;
    const rows = tokens.map((_, position) => `${salt}|${tokens.slice(0, position + 1).join(' ')}`);
    const fresh = { id: this.#nextId++, rows, isDetached: false, sealedTokens: undefined, source: undefined };
    const covered = tokens.slice(0, written - (written % this.pageSize));
    const claim = mode === 'share' ? this.claim(salt, covered, options) : undefined;
    const added = { ...sequence, ...fresh, claim };
    this.sequences.push(added);
    return added;
  }

  /** The lease lets go: its claim's time runs. */
  remove(sequence: ModelSequence): void {
    this.sequences.splice(this.sequences.indexOf(sequence), 1);
    if (sequence.claim !== undefined) sequence.claim.expiresMs = this.nowMs + (sequence.options.ttlMs ?? NEVER);
  }

  claim(salt: string, tokens: readonly number[], options: ClaimOptions): ModelClaim {
    const claim = { salt, tokens, sure: tokens, options, expiresMs: NEVER, isOver: false };
    this.#claims.push(claim);
    return claim;
  }

  ever(salt: string, tokens: readonly number[]): void {
    this.#published.push({ salt, tokens });
  }

  /** What must be found of a prompt, the last token left out. Claims that slide or hang on an idle session are not counted on. */
  atLeast(tokens: readonly number[], salt: string): number {
    const sure = this.#live(salt).filter(
      ({ options }) => options.slidingTtlMs === undefined && options.session === undefined,
    );
    return Math.max(0, ...sure.map((claim) => commonOf(claim.sure, tokens.slice(0, -1))));
  }

  /** More cannot be found: a claim covers whole pages, whatever was published in them. */
  atMost(tokens: readonly number[], salt: string): number {
    const wanted = tokens.slice(0, -1);
    const published = this.#published.filter((entry) => entry.salt === salt);
    const reach = (claim: ModelClaim): number => {
      const common = commonOf(claim.tokens, wanted);
      const rest = published.filter((entry) => commonOf(entry.tokens, claim.tokens) >= common);
      const end = Math.ceil((common + 1) / this.pageSize) * this.pageSize;
      return Math.min(end, Math.max(common, ...rest.map((entry) => commonOf(entry.tokens, wanted))));
    };
    return Math.max(0, ...this.#live(salt).map(reach));
  }

  /** Full pages, up to the first that a fork still copies from. */
  publish(sequence: ModelSequence): void {
    if (!this.#stores(sequence) || sequence.sealedTokens !== undefined) return;
    const readPlaces = this.#placesReadFrom(sequence);
    const stored = Math.min(sequence.written, sequence.storeTokens);
    const full = Math.min(Math.floor(stored / this.pageSize), ...readPlaces);
    this.#store(sequence, full * this.pageSize);
  }

  seal(sequence: ModelSequence): void {
    this.publish(sequence);
    if (sequence.sealedTokens !== undefined) return;
    sequence.sealedTokens = sequence.written;
    if (!this.#stores(sequence) || this.#placesReadFrom(sequence).length > 0) return;
    this.#store(sequence, Math.min(sequence.written, sequence.storeTokens));
  }

  clear(salt: string | undefined): void {
    const isCleared = (entry: { readonly salt: string }) => salt === undefined || entry.salt === salt;
    for (const claim of this.#claims) claim.isOver ||= isCleared(claim);
    for (const sequence of this.sequences) sequence.isDetached ||= isCleared(sequence);
  }

  /** A request that stores was granted: what its context and its versions make obsolete is over. */
  supersede(own: ModelSequence): void {
    const { salt, options } = own;
    const { session, context = [], tags = [] } = options;
    if (session !== undefined && context.length > 0) {
      const key = `${salt} ${session}`;
      const before = this.#contexts.get(key);
      this.#contexts.set(key, context);
      const isSame = before !== undefined && [...before].sort().join() === [...context].sort().join();
      if (before !== undefined && !isSame) {
        this.#end(
          salt,
          (other) => other.session === session && (other.context ?? []).some((tag) => !context.includes(tag)),
        );
      }
    }
    for (const tag of [...tags, ...context].filter((each) => each.includes('@'))) {
      const name = `${tag.split('@')[0]}@`;
      this.#end(salt, (other) => tagsOf(other).some((each) => each.startsWith(name) && each !== tag));
    }
  }

  invalidate(target: { readonly tag?: string; readonly session?: string; readonly salt?: string }): void {
    const { tag, session, salt } = target;
    for (const each of this.#claims) {
      if (salt !== undefined && each.salt !== salt) continue;
      if (tag !== undefined && !tagsOf(each.options).includes(tag)) continue;
      if (session !== undefined && each.options.session !== session) continue;
      each.isOver = true;
    }
  }

  #end(salt: string, fits: (options: ClaimOptions) => boolean): void {
    for (const claim of this.#claims) if (claim.salt === salt && fits(claim.options)) claim.isOver = true;
  }

  #live(salt: string): ModelClaim[] {
    return this.#claims.filter((claim) => claim.salt === salt && !claim.isOver && claim.expiresMs > this.nowMs);
  }

  #stores(sequence: ModelSequence): boolean {
    return sequence.claim !== undefined && !sequence.claim.isOver && !sequence.isDetached;
  }

  #store(sequence: ModelSequence, count: number): void {
    const tokens = sequence.tokens.slice(0, count);
    // A tail that some longer page begins with (or an equal one, where more was written) is not stored: whoever claims that may let it go.
    const isLonger = (length: number) => length > count || (length === count && sequence.written > count);
    const isShadowed = this.#published.some(
      (entry) =>
        entry.salt === sequence.salt && isLonger(entry.tokens.length) && commonOf(entry.tokens, tokens) === count,
    );
    this.ever(sequence.salt, tokens);
    const { claim } = sequence;
    if (claim === undefined || count <= claim.tokens.length) return;
    claim.tokens = tokens;
    claim.sure = isShadowed ? tokens.slice(0, count - (count % this.pageSize)) : tokens;
  }

  /** Places of the table that a fork has still to copy from. Only forks copy from pages that are not published. */
  #placesReadFrom(sequence: ModelSequence): number[] {
    return this.sequences.flatMap(({ source }) => (source?.sequence === sequence ? source.places : []));
  }
}

/** Why tokens stay. */
export interface ModelClaim {
  readonly salt: string;
  /** All that it may cover. */
  tokens: readonly number[];
  /** What it covers in any case. */
  sure: readonly number[];
  readonly options: ClaimOptions;
  expiresMs: number;
  isOver: boolean;
}

/** A pin in every driven cache. */
export interface ModelPin {
  readonly ids: readonly PinId[];
  readonly salt: string;
  readonly tokens: readonly number[];
  readonly claim: ModelClaim;
}

/** One token stream; `tokens` are its prompt and everything it will ever generate. */
export interface ModelSequence {
  readonly id: number;
  readonly salt: string;
  readonly mode: CacheMode;
  readonly tokens: readonly number[];
  readonly options: ClaimOptions;
  /** Nothing beyond is stored. */
  readonly storeTokens: number;
  readonly claim: ModelClaim | undefined;
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

  /** The bytes of restored pages arrive. */
  writePages(salt: string, tokens: readonly number[], restoration: Restoration): void {
    const { pageSize } = this.cache;
    for (const [place, page] of restoration.pages.entries()) {
      for (let offset = 0; offset < pageSize; offset++) {
        const position = restoration.presentTokens + place * pageSize + offset;
        if (position >= tokens.length) continue;
        this.#rows.set(page * pageSize + offset, `${salt}|${tokens.slice(0, position + 1).join(' ')}`);
      }
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

  /** A granted pin is never evicted: what it covers is found for as long as it holds. */
  expectPins({ pins, nowMs }: KvModel): void {
    for (const { salt, tokens, claim } of pins) {
      if (claim.isOver || claim.expiresMs <= nowMs) continue;
      const prompt = Uint32Array.from([...tokens, 0]);
      expect(this.cache.match(prompt, prompt.length, salt).matchedTokens).toBeGreaterThanOrEqual(tokens.length);
    }
  }

  #slot(sequence: ModelSequence, position: number): number {
    const { pageSize } = this.cache;
    const page = this.leaseOf(sequence).pageTable[Math.floor(position / pageSize)] as number;
    return page * pageSize + (position % pageSize);
  }
}

function tagsOf({ tags = [], context = [] }: ClaimOptions): readonly string[] {
  return [...tags, ...context];
}

function commonOf(a: readonly number[], b: readonly number[]): number {
  const limit = Math.min(a.length, b.length);
  for (let at = 0; at < limit; at++) if (a[at] !== b[at]) return at;
  return limit;
}
