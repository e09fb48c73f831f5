import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { acquire, cacheOf, INDEXES, PROPERTY_RUNS, serve } from './cache.testing.ts';
import { kvCommands } from './kv-arbitrary.testing.ts';
import type { KvCache } from './kv-cache.ts';
import { DrivenCache, KvModel } from './kv-model.testing.ts';
import type { KvEvent } from './lifetimes.ts';
import { createKvCache } from './paged-kv-cache.ts';

/** An index somewhere else, built from events alone: key of a page -> all tokens up to its end. */
class Mirror {
  readonly #pages = new Map<string, { readonly salt: string; readonly tokens: readonly number[] }>();
  lastSequence = 0;

  apply(event: KvEvent): void {
    expect(event.sequence).toBe(this.lastSequence + 1);
    this.lastSequence = event.sequence;
    if (event.kind === 'stored') this.#store(event);
    else if (event.kind === 'removed') for (const key of event.keys) expect(this.#pages.delete(key)).toBe(true);
    else if (event.kind === 'cleared') {
      for (const [key, { salt }] of this.#pages) if ((event.salt ?? salt) === salt) this.#pages.delete(key);
    }
  }

  paths(): string[] {
    return [...this.#pages.values()].map(({ salt, tokens }) => `${salt}|${tokens.join(' ')}`).sort();
  }

  #store({ keys, tokens, pageSize, parent, salt }: Extract<KvEvent, { readonly kind: 'stored' }>): void {
    const above = parent === undefined ? { tokens: [] } : this.#pages.get(parent);
    expect(above).toBeDefined();
    for (const [place, key] of keys.entries()) {
      const all = [...(above?.tokens ?? []), ...tokens.slice(0, (place + 1) * pageSize)];
      expect(this.#pages.has(key)).toBe(false);
      this.#pages.set(key, { salt, tokens: all });
    }
  }
}

/** The same of a cache, from its own enumeration. */
function pathsOf(cache: KvCache): string[] {
  const ways = new Map<number, readonly number[]>();
  const paths: string[] = [];
  for (const { id, parent, salt, tokens, pages } of cache.entries()) {
    const above = parent === undefined ? [] : (ways.get(parent) ?? []);
    ways.set(id, [...above, ...tokens]);
    for (const place of pages.keys()) {
      paths.push(`${salt}|${[...above, ...tokens.slice(0, (place + 1) * cache.pageSize)].join(' ')}`);
    }
  }
  return paths.sort();
}

describe.each(INDEXES)('events of a cache with the %s index', (index) => {
  it(
    'replayed into an empty index give the index (law 11)',
    () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 4 }), kvCommands('timely'), (pageSize, commands) => {
          const model = new KvModel(pageSize);
          const pages = 3 + Math.ceil(24 / pageSize);
          const clock = () => model.nowMs;
          const cache = createKvCache({ pages, pageSize, index, clock, pinBudgetPages: 3 });
          const mirror = new Mirror();
          cache.events.listen((event) => mirror.apply(event));
          fc.modelRun(() => ({ model, real: [new DrivenCache(cache)] }), commands);
          expect(mirror.paths()).toEqual(pathsOf(cache));
        }),
        { numRuns: Math.ceil(PROPERTY_RUNS / 8) },
      );
    },
    60_000 + 50 * PROPERTY_RUNS,
  );

  it('carry tokens, parent, tags, salt, medium and a reason', () => {
    const cache = cacheOf({ index });
    serve(cache, 'aaaa', { salt: 'x' });
    const told: KvEvent[] = [];
    cache.events.listen((event) => told.push(event));
    serve(cache, 'aaaabb', { salt: 'x', claim: { tags: ['t'] } });
    cache.invalidate({ tag: 't' });
    const [stored, removed] = told;
    expect(told.length).toBe(2);
    expect(stored).toMatchObject({
      ...{ kind: 'stored', sequence: 1, medium: 'memory', salt: 'x', tokens: [98, 98], tags: ['t'], pageSize: 4 },
    });
    expect(stored?.kind === 'stored' && [stored.parent, ...stored.keys].map((key) => key?.length)).toEqual([16, 16]);
    expect(removed).toMatchObject({ kind: 'removed', sequence: 2, salt: 'x', reason: 'invalidated' });
    expect(removed?.kind === 'removed' && removed.keys).toEqual(stored?.kind === 'stored' && stored.keys);
  });

  it('say that a salt was cleared, and that a pin ended', () => {
    const cache = cacheOf({ index, pinBudgetPages: 2 });
    serve(cache, 'aaaa', { salt: 'x' });
    const told: KvEvent[] = [];
    cache.events.listen((event) => told.push(event));
    cache.pin({ tokens: Uint32Array.of(97, 97, 97, 97), tokenCount: 4, salt: 'x' });
    cache.clear('x');
    expect(told).toEqual([
      { kind: 'unpinned', sequence: 1, salt: 'x', pin: 1, reason: 'cleared' },
      { kind: 'cleared', sequence: 2, medium: 'memory', salt: 'x' },
    ]);
  });
});

describe('the events of a cache', () => {
  it('are not recorded before somebody listens', () => {
    const cache = cacheOf();
    serve(cache, 'aaaa');
    expect(cache.events.lastSequence).toBe(0);
    expect(cache.events.replay(0)).toEqual([]);
  });

  it('can be replayed as far as the buffer reaches, also when nobody listens any more', () => {
    const cache = cacheOf({ eventBuffer: 2 });
    const stop = cache.events.listen(() => {});
    stop();
    for (const text of ['aaaa', 'bbbb', 'cccc']) acquireAndStore(cache, text);
    expect(cache.events.lastSequence).toBe(3);
    expect(cache.events.replay(1)?.map(({ sequence }) => sequence)).toEqual([2, 3]);
    expect(cache.events.replay(0)).toBeUndefined();
    expect(cache.events.replay(3)).toEqual([]);
  });
});

function acquireAndStore(cache: KvCache, text: string): void {
  const lease = acquire(cache, text);
  lease.publish(
    Uint32Array.from(text, (letter) => letter.charCodeAt(0)),
    text.length,
  );
  lease.release();
}
