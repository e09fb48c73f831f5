import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keepHeadAndTail } from './head-and-tail.ts';

const stream = (count: number) => Uint32Array.from({ length: count }, (_, i) => i);

describe('keepHeadAndTail', () => {
  it('leaves a stream within its limit as it is', () => {
    const tokens = stream(10);
    expect(keepHeadAndTail(tokens, { limitTokens: 10, headTokens: 2 })).toBe(tokens);
  });

  it('keeps the head and the most recent tokens, never more than the limit, and always the last one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 0, max: 250 }),
        (count, limitTokens, headTokens) => {
          const kept = Array.from(keepHeadAndTail(stream(count), { limitTokens, headTokens }));
          expect(kept.length).toBeLessThanOrEqual(limitTokens);
          expect(kept.at(-1)).toBe(count - 1);
          const head = Math.min(headTokens, limitTokens - 1, count);
          expect(kept.slice(0, head)).toEqual(Array.from(stream(head)));
          // What follows the head is one run up to the end.
          const tail = kept.slice(head);
          expect(tail).toEqual(tail.map((_, i) => count - tail.length + i));
        },
      ),
    );
  });

  it('drops at most an eighth of the tail more than it must', () => {
    for (let count = 101; count < 300; count += 1) {
      const kept = keepHeadAndTail(stream(count), { limitTokens: 100, headTokens: 20 });
      expect(kept.length).toBeGreaterThan(90);
    }
  });

  it('begins the tail at the same token while a conversation grows by less than that eighth, so that turns share it', () => {
    const starts = new Set<number>();
    for (let count = 101; count <= 110; count += 1) {
      starts.add(keepHeadAndTail(stream(count), { limitTokens: 100, headTokens: 20 })[20] as number);
    }
    expect([...starts]).toEqual([30]);
  });
});
