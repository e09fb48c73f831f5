import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Openings } from './openings.ts';

const HOUR = 3_600_000;

function openings(options: { mostPages?: number; startMs?: number } = {}) {
  const { startMs = 1000 * HOUR, ...rest } = options;
  const time = { now: startMs };
  return { time, learned: new Openings({ pageSize: 2, clock: () => time.now, ...rest }) };
}
const ids = (...tokens: number[]) => Uint32Array.from(tokens);
const listed = (learned: Openings, most = 10) =>
  learned.list(most).map(({ salt, ids: opening, count }) => ({ salt, ids: [...opening], count }));

describe('the openings that are learned', () => {
  it('are the longest beginnings that prompts have in common, the most frequent first', () => {
    const { learned } = openings();
    for (let n = 0; n < 3; n += 1) learned.observe('', ids(1, 2, 3, 4, 10 + n, 0));
    for (let n = 0; n < 2; n += 1) learned.observe('', ids(1, 2, 5, 6, 20 + n, 0));
    learned.observe('', ids(9, 9));
    expect(listed(learned)).toEqual([
      { salt: '', ids: [1, 2], count: 5 },
      { salt: '', ids: [1, 2, 3, 4], count: 3 },
      { salt: '', ids: [1, 2, 5, 6], count: 2 },
    ]);
    expect(listed(learned, 1)).toHaveLength(1);
  });

  it('count whole pages only, and keep salts apart', () => {
    const { learned } = openings();
    for (const salt of ['', 'x', 'x']) learned.observe(salt, ids(1, 2, 3));
    expect(listed(learned)).toEqual([{ salt: 'x', ids: [1, 2], count: 2 }]);
  });

  it('are those of the last 24 hours', () => {
    const { learned, time } = openings();
    learned.observe('', ids(1, 2));
    time.now += 12 * HOUR;
    learned.observe('', ids(1, 2));
    time.now += 11 * HOUR;
    expect(listed(learned)).toEqual([{ salt: '', ids: [1, 2], count: 2 }]);
    time.now += HOUR;
    expect(listed(learned)).toEqual([]);
    learned.observe('', ids(1, 2));
    expect(listed(learned)).toEqual([{ salt: '', ids: [1, 2], count: 2 }]);
    time.now += 1000 * HOUR;
    expect(listed(learned)).toEqual([]);
  });

  it('forget what was asked for least when there are too many', () => {
    const { learned } = openings({ mostPages: 40 });
    for (let n = 0; n < 5; n += 1) learned.observe('', ids(1, 2, 3, 4));
    for (let n = 0; n < 1000; n += 1) {
      learned.observe('', ids(100 + n, 0, 0, 0));
      expect(learned.pageCount).toBeLessThanOrEqual(42);
    }
    expect(listed(learned)).toEqual([{ salt: '', ids: [1, 2, 3, 4], count: 5 }]);
  });

  it('have the counts that counting every beginning of every prompt gives', () => {
    const prompts = fc.array(fc.array(fc.nat({ max: 1 }), { maxLength: 9 }), { maxLength: 20 });
    fc.assert(
      fc.property(prompts, (given) => {
        const { learned } = openings();
        for (const prompt of given) learned.observe('', ids(...prompt));
        const counts = new Map<string, number>();
        for (const prompt of given) {
          for (let end = 2; end <= prompt.length; end += 2) {
            const key = prompt.slice(0, end).join();
            counts.set(key, (counts.get(key) ?? 0) + 1);
          }
        }
        const found = listed(learned, 1000);
        for (const opening of found) expect(opening.count).toBe(counts.get(opening.ids.join()));
        // Whatever two prompts share is the beginning of an opening.
        for (const [key, count] of counts) {
          if (count >= 2) expect(found.some((opening) => `${opening.ids.join()},`.startsWith(`${key},`))).toBe(true);
        }
      }),
    );
  });
});
