import { expect } from 'vitest';
import { type Driven, expectLaws, type KvCommand } from './kv-commands.testing.ts';
import { expectAlike } from './kv-expect.testing.ts';
import type { KvModel } from './kv-model.testing.ts';
import type { ClaimOptions, InvalidationTarget, PinResult } from './lifetimes.ts';

/** A command that is always possible. */
abstract class CacheCommand implements KvCommand {
  check(): boolean {
    return true;
  }

  run(model: KvModel, driven: Driven): void {
    this.runOn(model, driven);
    expectLaws(model, driven);
  }

  toString(): string {
    return `${this.constructor.name}(${JSON.stringify(Object.values(this))})`;
  }

  protected abstract runOn(model: KvModel, driven: Driven): void;
}

/** Time passes; the wheel comes to it now, or is late. */
export class Advance extends CacheCommand {
  readonly ms: number;
  readonly wheel: 'turns' | 'is late';

  constructor(ms: number, wheel: 'turns' | 'is late') {
    super();
    this.ms = ms;
    this.wheel = wheel;
  }

  protected runOn(model: KvModel, driven: Driven): void {
    model.nowMs += this.ms;
    model.isLate = this.wheel === 'is late';
    if (this.wheel === 'turns') expectAlike(driven.map(({ cache }) => cache.expire()));
  }
}

export class Invalidate extends CacheCommand {
  readonly target: InvalidationTarget;

  constructor(target: InvalidationTarget) {
    super();
    this.target = target;
  }

  protected runOn(model: KvModel, driven: Driven): void {
    const before = driven.map(({ cache }) => cache.stats());
    const outcomes = driven.map(({ cache }) => cache.invalidate(this.target));
    expectAlike(outcomes);
    for (const [at, { pages, freedPages }] of outcomes.entries()) {
      const stats = driven[at]?.cache.stats();
      expect(stats?.publishedPages).toBe((before[at]?.publishedPages ?? 0) - pages);
      expect(stats?.freePages).toBe((before[at]?.freePages ?? 0) + freedPages);
    }
    model.invalidate(this.target);
    if (this.target.tag === undefined && this.target.session === undefined) model.clear(this.target.salt);
    // The same again finds nothing.
    for (const { cache } of driven) expect(cache.invalidate(this.target).claims).toBe(0);
  }
}

export class Pin extends CacheCommand {
  readonly salt: string;
  readonly tokens: readonly number[];
  readonly options: ClaimOptions;

  constructor(salt: string, tokens: readonly number[], options: ClaimOptions) {
    super();
    this.salt = salt;
    this.tokens = tokens;
    this.options = options;
  }

  protected runOn(model: KvModel, driven: Driven): void {
    const { salt, tokens, options } = this;
    const request = { salt, tokens: Uint32Array.from(tokens), tokenCount: tokens.length, claim: options };
    const results = driven.map(({ cache }) => cache.pin(request));
    expectAlike(results);
    const first = results[0] as PinResult;
    if (first.outcome === 'refused') return;
    const ids = results.map((result) => (result.outcome === 'refused' ? 0 : result.pin));
    const pinned = tokens.slice(0, first.tokens);
    // The same pin again is the same promise.
    const again = model.pins.find((pin) => pin.ids[0] === ids[0] && !pin.claim.isOver);
    if (again !== undefined) {
      again.claim.expiresMs = Math.max(
        again.claim.expiresMs,
        model.nowMs + (options.ttlMs ?? Number.POSITIVE_INFINITY),
      );
      return;
    }
    const claim = model.claim(salt, pinned, options);
    claim.expiresMs = model.nowMs + (options.ttlMs ?? Number.POSITIVE_INFINITY);
    model.pins.push({ ids, salt, tokens: pinned, claim });
  }
}

export class Unpin extends CacheCommand {
  readonly pick: number;

  constructor(pick: number) {
    super();
    this.pick = pick;
  }

  protected runOn(model: KvModel, driven: Driven): void {
    const pin = model.pins[this.pick % Math.max(1, model.pins.length)];
    if (pin === undefined) return;
    const outcomes = driven.map(({ cache }, at) => cache.unpin(pin.ids[at] as number));
    // One whose time is over may still be there while the wheel is late.
    const isThere = !pin.claim.isOver && pin.claim.expiresMs > model.nowMs;
    expect(outcomes.every((outcome) => outcome || !isThere)).toBe(true);
    pin.claim.isOver = true;
  }
}

/** A path comes back from somewhere, in whole or in part, or is given up. */
export class Restore extends CacheCommand {
  readonly salt: string;
  readonly tokens: readonly number[];
  readonly options: ClaimOptions;
  readonly end: 'published' | 'half of it' | 'abandoned';

  constructor(
    salt: string,
    tokens: readonly number[],
    options: ClaimOptions,
    end: 'published' | 'half of it' | 'abandoned',
  ) {
    super();
    this.salt = salt;
    this.tokens = tokens;
    this.options = options;
    this.end = end;
  }

  protected runOn(model: KvModel, driven: Driven): void {
    const { salt, tokens, options } = this;
    const request = { salt, tokens: Uint32Array.from(tokens), tokenCount: tokens.length, claims: [options] };
    const results = driven.map(({ cache }) => cache.restore(request));
    expectAlike(results.map((result) => (result.ok ? result.restoration.pages.length : result)));
    const stored: number[] = [];
    for (const [at, result] of results.entries()) {
      if (!result.ok) continue;
      const { restoration } = result;
      const { cache } = driven[at] as Driven[number];
      const pages = this.end === 'published' ? restoration.pages.length : Math.floor(restoration.pages.length / 2);
      driven[at]?.writePages(salt, tokens, restoration);
      if (this.end === 'abandoned') restoration.abandon();
      else {
        restoration.publish(pages);
        stored.push(Math.min(tokens.length, restoration.presentTokens + pages * cache.pageSize));
      }
    }
    if (stored.length === 0) return;
    const kept = tokens.slice(0, stored[0]);
    model.ever(salt, kept);
    // Where a longer page has the tail already, the claim ends before it.
    const sure = kept.slice(0, kept.length - (kept.length % model.pageSize));
    model.claim(salt, kept, { ...options, slidingTtlMs: 1 }).expiresMs =
      model.nowMs + (options.ttlMs ?? Number.POSITIVE_INFINITY);
    model.claim(salt, sure, options).expiresMs = model.nowMs + (options.ttlMs ?? Number.POSITIVE_INFINITY);
  }
}
