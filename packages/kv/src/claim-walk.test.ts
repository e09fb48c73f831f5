import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { acquire, cacheOf, INDEXES, PROPERTY_RUNS, publishAll, serve } from './cache.testing.ts';
import type { KvCache } from './kv-cache.ts';
import { claim, timed } from './timed-cache.testing.ts';

interface Met {
  /** What the pages of the way say, one after the other. */
  readonly text: string;
  readonly tags: readonly string[];
}

/** A whole walk that knows what it has seen, `meanwhile` after each claim. */
function walkAll(cache: KvCache, meanwhile: () => void = () => {}): Met[] {
  const walk = cache.walk();
  const texts = new Map<number, string>();
  const met: Met[] = [];
  while (!walk.isOver) {
    const found = walk.next(1);
    if (!found) continue;
    const { known, pages } = walk.way((page) => texts.has(page));
    let text = texts.get(known) ?? '';
    for (const page of pages) {
      text += String.fromCharCode(...walk.tokensOf(page));
      texts.set(page, text);
    }
    met.push({ text, tags: found.view.tags });
    meanwhile();
    // Pages may be others by now.
    texts.clear();
  }
  return met;
}

describe.each(INDEXES)('a walk through the claims, %s index', (index) => {
  it('meets every claim once, with the way to it behind the pages that are known', () => {
    const cache = cacheOf({ index, pages: 30 });
    serve(cache, 'aaaabbbbcc', { claim: { tags: ['x'] } });
    serve(cache, 'aaaadddd', { salt: 'tenant' });
    serve(cache, 'aaaaeeee');
    const walk = cache.walk();
    const found: unknown[] = [];
    const known = new Set<number>();
    while (!walk.isOver) {
      const met = walk.next(100);
      if (!met) continue;
      const way = walk.way((page) => known.has(page));
      for (const page of way.pages) known.add(page);
      found.push([met.salt, met.view.tags, way.known > 0, way.pages.length]);
      expect(walk.again()?.terms).toBe(met.terms);
    }
    expect(found).toEqual([
      ['', ['x'], false, 3],
      ['tenant', [], false, 2],
      ['', [], true, 1],
    ]);
  });

  it('looks at so many numbers at a time, and says when there are no more', () => {
    const cache = cacheOf({ index, pages: 30 });
    for (let n = 0; n < 5; n++) serve(cache, `aaaa${n}${n}${n}${n}`, { claim: { tags: [`t:${n}`] } });
    for (let n = 0; n < 4; n++) cache.invalidate({ tag: `t:${n}` });
    const walk = cache.walk();
    const found = [1, 2, 3, 4, 5].map(() => walk.next(1)?.view.tags[0]);
    expect(found).toEqual([undefined, undefined, undefined, undefined, 't:4']);
    expect(walk.isOver).toBe(true);
    expect(walk.next(9)).toBeUndefined();
  });

  it('meets neither those of running requests, whose time has not begun, nor what is out of time or lost its pages', () => {
    const { cache, pass } = timed(index);
    serve(cache, 'aaaabbbb', claim({ ttlMs: 10, tags: ['gone'] }));
    serve(cache, 'ccccdddd', claim({ slidingTtlMs: 100, tags: ['here'] }));
    const running = publishAll(cache, 'eeeeffff', claim({ tags: ['running'] }));
    acquire(cache, 'gggghhhh', claim({ tags: ['unwritten'] }));
    const detached = publishAll(cache, 'iiiijjjj', { salt: 'x', ...claim({ tags: ['detached'] }) });
    cache.clear('x');
    pass(10);
    const here = { text: 'ccccdddd', tags: ['here'] };
    expect(walkAll(cache)).toEqual([here]);
    running.release();
    expect(walkAll(cache)).toEqual([here, { text: 'eeeeffff', tags: ['running'] }]);
    detached.release();
  });

  it('says what is left of a claim when it is asked again', () => {
    const { cache, pass } = timed(index);
    serve(cache, 'aaaabbbb', claim({ ttlMs: 10 }));
    const walk = cache.walk();
    expect(walk.next(9)?.view.ttlMs).toBe(10);
    pass(4);
    expect(walk.again()?.view.ttlMs).toBe(6);
    pass(6);
    expect(walk.again()).toBeUndefined();
  });

  it('meets all that was there when it began and is there still, whatever is split, continued, stored and invalidated meanwhile', () => {
    const letters = fc.array(fc.constantFrom('a', 'b'), { minLength: 4, maxLength: 14 }).map((all) => all.join(''));
    const changes = fc.array(fc.record({ text: letters, tag: fc.nat({ max: 5 }), ends: fc.boolean() }), {
      maxLength: 12,
    });
    const stored = fc.array(letters, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(stored, changes, (texts, later) => {
        // Room for everything: nothing is evicted.
        const cache = cacheOf({ index, pages: 100 });
        for (const [n, text] of texts.entries()) serve(cache, text, { claim: { tags: [`old:${n}`] } });
        const left = [...later];
        const met = walkAll(cache, () => {
          const change = left.shift();
          if (change?.ends) cache.invalidate({ tag: `old:${change.tag}` });
          else if (change) serve(cache, change.text, { claim: { tags: ['new'] } });
        });
        const ended = new Set(
          later
            .slice(0, later.length - left.length)
            .filter(({ ends }) => ends)
            .map(({ tag }) => tag),
        );
        for (const [n, text] of texts.entries()) {
          const of = met.filter(({ tags }) => tags.includes(`old:${n}`));
          if (!ended.has(n)) expect(of).toHaveLength(1);
          // A tail that somebody continued is the beginning of what continues it.
          for (const each of of) expect(each.text.startsWith(text) || text.startsWith(each.text)).toBe(true);
        }
      }),
      { numRuns: Math.ceil(PROPERTY_RUNS / 5) },
    );
  });
});
