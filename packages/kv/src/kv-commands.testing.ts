import type fc from 'fast-check';
import { expect } from 'vitest';
import { checkKv } from './check-kv.ts';
import type { CacheMode } from './kv-cache.ts';
import { describeLease, expectAlike, expectMatch, withoutNodes } from './kv-expect.testing.ts';
import type { DrivenCache, KvModel, ModelSequence } from './kv-model.testing.ts';
import type { Breakpoint, ClaimOptions } from './lifetimes.ts';

/** One cache, or several that have to behave alike. */
export type Driven = readonly DrivenCache[];
export type KvCommand = fc.Command<KvModel, Driven>;

/** Tokens of every stream: prompt and what it will ever generate. */
export const TOKENS = 24;

/** A command on one of the live sequences; `pick` chooses it. */
abstract class SequenceCommand implements KvCommand {
  readonly pick: number;

  constructor(pick: number) {
    this.pick = pick;
  }

  check(model: Readonly<KvModel>): boolean {
    return model.sequences.length > 0 && this.isPossible(this.sequenceOf(model));
  }

  run(model: KvModel, driven: Driven): void {
    this.runOn(model, this.sequenceOf(model), driven);
    expectLaws(model, driven);
  }

  toString(): string {
    return `${this.constructor.name}(${Object.values(this).join(', ')})`;
  }

  protected isPossible(_sequence: ModelSequence): boolean {
    return true;
  }

  protected abstract runOn(model: KvModel, sequence: ModelSequence, driven: Driven): void;

  private sequenceOf(model: Readonly<KvModel>): ModelSequence {
    return model.sequences[this.pick % model.sequences.length] as ModelSequence;
  }
}

export interface AcquireFields {
  readonly tokens: readonly number[];
  readonly promptTokens: number;
  readonly salt: string;
  readonly mode: CacheMode;
  readonly roomTokens: number;
  readonly keepPages: number;
  readonly claim: ClaimOptions;
  readonly breakpoints: readonly Breakpoint[];
}

export class Acquire implements KvCommand {
  readonly fields: AcquireFields;

  constructor(fields: AcquireFields) {
    this.fields = fields;
  }

  check(): boolean {
    return true;
  }

  run(model: KvModel, driven: Driven): void {
    const { tokens, promptTokens, salt, mode, claim: options, breakpoints, ...rooms } = this.fields;
    const { keepPages } = rooms;
    const prompt = tokens.slice(0, promptTokens);
    const [atLeast, atMost] = mode === 'bypass' ? [0, 0] : [model.atLeast(prompt, salt), model.atMost(prompt, salt)];
    const stops = breakpoints.length === 0 ? {} : { breakpoints };
    const request = {
      ...{ tokens: Uint32Array.from(tokens), tokenCount: promptTokens, salt, mode, claim: options },
      ...rooms,
      ...stops,
    };
    const before = driven.map(({ cache }) => cache.stats());
    const results = driven.map(({ cache }) => cache.acquire(request));
    const leases = results.flatMap((result) => (result.ok ? [result.lease] : []));
    expectAlike(results.map((result) => (result.ok ? describeLease(result.lease) : result)));
    driven.forEach(({ cache }, at) => {
      // What has expired may be let go of while the prompt is looked up.
      if (results[at]?.ok === true || model.isLate) return;
      expect(withoutNodes(cache.stats())).toEqual(withoutNodes(before[at]));
    });
    for (const [at, lease] of leases.entries()) {
      const { cache } = driven[at] as DrivenCache;
      const whatWasLeft = cache.freePages + cache.evictablePages - keepPages;
      expectMatch(lease, {
        atLeast,
        atMost,
        isExact: before[at]?.evictedPages === 0 && !model.isLate,
        whatWasLeft,
        cache,
      });
      expect(whatWasLeft).toBeGreaterThanOrEqual(0);
      expect(lease.pageCount * cache.pageSize).toBeGreaterThan(lease.matchedTokens);
    }
    const first = leases[0];
    if (first !== undefined) {
      const sequence = model.add({
        ...{ salt, mode, tokens, options, written: first.matchedTokens },
        storeTokens: breakpoints.at(-1)?.tokens ?? Number.POSITIVE_INFINITY,
      });
      if (mode === 'share') model.supersede(sequence);
      for (const [at, lease] of leases.entries()) driven[at]?.leases.set(sequence.id, lease);
    }
    expectLaws(model, driven);
  }

  toString(): string {
    return `Acquire(${JSON.stringify(this.fields)})`;
  }
}

/** A step: copies are performed, the table is extended, rows are written. */
export class Compute extends SequenceCommand {
  readonly count: number;

  constructor(pick: number, count: number) {
    super(pick);
    this.count = count;
  }

  protected override isPossible(sequence: ModelSequence): boolean {
    return sequence.sealedTokens === undefined;
  }

  protected runOn(_model: KvModel, sequence: ModelSequence, driven: Driven): void {
    const target = Math.min(TOKENS, sequence.written + this.count);
    const before = driven.map((each) => each.leaseOf(sequence).pageCount);
    const results = driven.map((each) => each.leaseOf(sequence).tryExtend(target));
    expectAlike(results);
    if (results[0]?.ok !== true) {
      expect(driven.map((each) => each.leaseOf(sequence).pageCount)).toEqual(before);
      return;
    }
    transfer(sequence, driven);
    for (const each of driven) each.write(sequence, sequence.written, target);
    sequence.written = target;
  }
}

export class Transferred extends SequenceCommand {
  protected runOn(_model: KvModel, sequence: ModelSequence, driven: Driven): void {
    transfer(sequence, driven);
    for (const each of driven) expect(each.leaseOf(sequence).copies).toEqual([]);
  }
}

export class Publish extends SequenceCommand {
  protected runOn(model: KvModel, sequence: ModelSequence, driven: Driven): void {
    transfer(sequence, driven);
    for (const each of driven) each.leaseOf(sequence).publish(Uint32Array.from(sequence.tokens), sequence.written);
    model.publish(sequence);
  }
}

export class Seal extends SequenceCommand {
  protected runOn(model: KvModel, sequence: ModelSequence, driven: Driven): void {
    transfer(sequence, driven);
    for (const each of driven) each.leaseOf(sequence).seal(Uint32Array.from(sequence.tokens), sequence.written);
    model.seal(sequence);
  }
}

export class Fork extends SequenceCommand {
  readonly tail: readonly number[];

  constructor(pick: number, tail: readonly number[]) {
    super(pick);
    this.tail = tail;
  }

  protected runOn(model: KvModel, sequence: ModelSequence, driven: Driven): void {
    transfer(sequence, driven);
    const { written, salt, mode } = sequence;
    const results = driven.map((each) => each.leaseOf(sequence).fork(Uint32Array.from(sequence.tokens), written));
    model.publish(sequence);
    expectAlike(results.map((result) => (result.ok ? describeLease(result.lease) : result)));
    const first = results[0];
    if (first?.ok !== true) return;
    const tokens = [...sequence.tokens.slice(0, written), ...this.tail].slice(0, TOKENS);
    const stores = sequence.claim !== undefined && !sequence.claim.isOver;
    const { options, storeTokens } = sequence;
    const forkMode = stores || mode !== 'share' ? mode : 'use-only';
    const fork = model.add({ salt, mode: forkMode, tokens, written, options, storeTokens });
    fork.isDetached = sequence.isDetached;
    // What was published of it is what both cover; the partly filled page is the fork's own.
    if (fork.claim !== undefined && sequence.claim !== undefined) {
      fork.claim.tokens = fullPagesOf(sequence, model);
      fork.claim.sure = fork.claim.tokens;
    }
    const places = first.copies.map((_, at) => first.lease.sharedPages + at);
    fork.source = { sequence, places };
    driven.forEach((each, at) => {
      const result = results[at];
      if (result?.ok === true) each.leases.set(fork.id, result.lease);
    });
  }
}

export class Release extends SequenceCommand {
  protected runOn(model: KvModel, sequence: ModelSequence, driven: Driven): void {
    for (const each of driven) {
      each.leaseOf(sequence).release();
      each.leases.delete(sequence.id);
    }
    model.remove(sequence);
  }
}

/** A whole life in one command, so that short runs have something to find. */
export class Serve extends Acquire {
  override run(model: KvModel, driven: Driven): void {
    const before = model.sequences.length;
    super.run(model, driven);
    if (model.sequences.length === before) return;
    new Compute(before, this.fields.promptTokens).run(model, driven);
    new Seal(before).run(model, driven);
    new Release(before).run(model, driven);
  }

  override toString(): string {
    return super.toString().replace('Acquire', 'Serve');
  }
}

export class Clear implements KvCommand {
  readonly salt: string | undefined;

  constructor(salt: string | undefined) {
    this.salt = salt;
  }

  check(): boolean {
    return true;
  }

  run(model: KvModel, driven: Driven): void {
    const published = driven.map(({ cache }) => cache.stats().publishedPages);
    const left = driven.map(({ cache }) => (this.salt === undefined ? cache.clear() : cache.clear(this.salt)));
    expectAlike(left);
    expect(driven.map(({ cache }, at) => cache.stats().publishedPages + (left[at] as number))).toEqual(published);
    model.clear(this.salt);
    expectLaws(model, driven);
  }

  toString(): string {
    return `Clear(${this.salt ?? 'all'})`;
  }
}

/** Every lease is given back; nothing may be left behind. */
export function expectCleanEnd(model: KvModel, driven: Driven): void {
  while (model.sequences.length > 0) new Release(0).run(model, driven);
  for (const { cache } of driven) {
    expect(cache.stats()).toMatchObject({ leases: 0, privatePages: 0, detachedPages: 0 });
    cache.clear();
    expect(cache.stats()).toMatchObject({ freePages: cache.pages - 1, evictablePages: 0, nodes: 0 });
  }
}

function transfer(sequence: ModelSequence, driven: Driven): void {
  for (const each of driven) {
    each.copy(sequence);
    each.leaseOf(sequence).transferred();
  }
  sequence.source = undefined;
}

export function expectLaws(model: KvModel, driven: Driven): void {
  for (const each of driven) {
    const faults = checkKv(each.cache);
    if (faults.length > 0) expect(faults).toEqual([]);
    each.expectRows(model.sequences);
    each.expectPins(model);
  }
  expectAlike(driven.map(({ cache }) => withoutNodes(cache.stats())));
}

/** What the claim of a fork's parent covers in full pages: a sealed tail is not shared. */
function fullPagesOf(sequence: ModelSequence, model: KvModel): readonly number[] {
  const covered = sequence.claim?.tokens ?? [];
  return covered.slice(0, covered.length - (covered.length % model.pageSize));
}
