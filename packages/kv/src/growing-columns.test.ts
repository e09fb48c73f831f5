import { afterEach, describe, expect, it, vi } from 'vitest';
import { expectIdle, serve } from './cache.testing.ts';
import { Float64Column, Int32Column, ObjectColumn, SEGMENT } from './growing-columns.ts';
import { claim, timed } from './timed-cache.testing.ts';

describe.each([
  ['Int32Column', (foreseen: number) => new Int32Column(foreseen), (n: number) => n, 0],
  ['Float64Column', (foreseen: number) => new Float64Column(foreseen), (n: number) => n + 0.5, 0],
  ['ObjectColumn', (foreseen: number) => new ObjectColumn<{ n: number }>(foreseen), (n: number) => ({ n }), undefined],
])('%s', (_name, make, made, nothing) => {
  it.each([0, 1, 100])('keeps what is in it as it grows, with room for %i foreseen', (foreseen) => {
    const column = make(foreseen) as ObjectColumn<object>;
    const kept = new Map<number, unknown>();
    for (let at = 0; at < 3 * SEGMENT; at += 997) {
      column.reserve(at + 1);
      expect(column.get(at)).toBe(nothing);
      const value = made(at);
      column.set(at, value as object);
      kept.set(at, value);
    }
    expect(kept.size).toBeGreaterThan(40);
    for (const [at, value] of kept) expect(column.get(at)).toBe(value);
  });
});

describe('a cache with many more claims than pages', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('copies nothing when it makes room for them, and takes no more than a segment at a time', () => {
    const sessions = 3 * SEGMENT;
    const { cache, pass } = timed('radix', { lifetimes: { sessionIdleMs: 1_000 } });
    const taken: number[] = [];
    let copied = 0;
    for (const [name, Column] of [['Int32Array', Int32Array] as const, ['Float64Array', Float64Array] as const]) {
      const counted = new Proxy(Column, {
        construct(target, [length]: [number]) {
          const column = new target(length);
          taken.push(length);
          column.set = ({ length: elements }) => {
            copied += elements;
          };
          return column;
        },
      });
      vi.stubGlobal(name, counted);
    }
    for (let session = 0; session < sessions; session++) {
      serve(cache, 'aaaabbbb', claim({ session: `s${session}`, ttlMs: 5_000 }));
    }
    expect(cache.stats()).toMatchObject({ claims: sessions, sessions });
    expect(taken.length).toBeGreaterThan(20);
    expect(Math.max(...taken)).toBeLessThanOrEqual(SEGMENT);
    expect(copied).toBe(0);
    vi.unstubAllGlobals();
    pass(1_000);
    do cache.expire();
    while (cache.isExpiryBehind);
    expect(cache.stats()).toMatchObject({ claims: 0, sessions: 0 });
    expectIdle(cache);
  });
});
