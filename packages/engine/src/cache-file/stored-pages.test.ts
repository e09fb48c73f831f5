/** Finding pages of a file, and not finding those that should be gone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoredClaim, StoredIndex, StoredPage } from './stored-index.ts';
import { StoredPages } from './stored-pages.ts';

const identity = {
  model: 'm',
  weights: 'f32',
  tokenizer: '',
  kvType: 'f32',
  pageSize: 2,
  layers: 1,
  kvHeads: 1,
  headDim: 1,
} as const;
const plain: StoredClaim = { salt: '', tags: [], context: [], priority: 'normal', isPinned: false };
const page = (parent: number, tokens: number[], claims: number[] = [], salt = ''): StoredPage => ({
  parent,
  salt,
  tokens: Uint32Array.from(tokens),
  claims,
  checksum: new Uint8Array(16),
});

function open(pages: StoredPage[], claims: StoredClaim[] = [plain], elapsedMs = 0): StoredPages {
  const index: StoredIndex = { identity, writtenMs: 0, claims, openings: [], pages };
  return new StoredPages(index, elapsedMs);
}
const ask = (tokens: number[], salt = '') => ({ salt, tokens: Uint32Array.from(tokens), tokenCount: tokens.length });

describe('StoredPages', () => {
  //   [1 2] - [3 4] - [5]      [1 2] - [3 9]      [7 7] of a tenant
  const tree = [page(-1, [1, 2]), page(0, [3, 4]), page(1, [5], [0]), page(0, [3, 9], [0]), page(-1, [7, 7], [1], 'x')];
  const claims = [plain, { ...plain, salt: 'x' }];

  it('finds the pages that a prompt begins with, the last one also in part', () => {
    const stored = open(tree, claims);
    expect(stored.match(ask([1, 2, 3, 4, 5, 6]), 0)).toEqual([0, 1, 2]);
    expect(stored.match(ask([1, 2, 3, 4, 8]), 0)).toEqual([0, 1]);
    expect([
      [0, 1],
      [0, 3],
    ]).toContainEqual(stored.match(ask([1, 2, 3, 5]), 0));
    expect(stored.match(ask([1, 8]), 0)).toEqual([0]);
    expect(stored.match(ask([9]), 0)).toEqual([]);
    expect([...stored.tokensOf([0, 1, 2])]).toEqual([1, 2, 3, 4, 5]);
  });

  it('never finds a page of another salt', () => {
    const stored = open(tree, claims);
    expect(stored.match(ask([7, 7]), 0)).toEqual([]);
    expect(stored.match(ask([7, 7], 'x'), 0)).toEqual([4]);
    expect(stored.match(ask([1, 2], 'x'), 0)).toEqual([]);
  });

  it('finds as much of a prompt as comparing it with every path does', () => {
    const token = fc.nat({ max: 2 });
    const prompts = fc.array(fc.array(token, { minLength: 1, maxLength: 7 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(prompts, fc.array(token, { minLength: 1, maxLength: 8 }), (kept, asked) => {
        const pages: StoredPage[] = [];
        const known = new Map<string, number>();
        for (const prompt of kept) {
          let parent = -1;
          for (let at = 0; at < prompt.length; at += 2) {
            const key = prompt.slice(0, at + 2).join();
            const isLast = at + 2 >= prompt.length;
            const found = known.get(key);
            if (found === undefined) {
              known.set(key, pages.length);
              pages.push(page(parent, prompt.slice(at, at + 2), [0]));
            }
            parent = known.get(key) as number;
            if (isLast) break;
          }
        }
        const stored = open(pages);
        const path = stored.match(ask(asked), 0);
        const common = (a: ArrayLike<number>) => {
          let n = 0;
          while (n < a.length && n < asked.length && a[n] === asked[n]) n += 1;
          return n;
        };
        expect(common(stored.tokensOf(path))).toBe(Math.max(0, ...kept.map(common)));
      }),
      { numRuns: 500 },
    );
  });

  it('does not find what is out of time, counted from the writing of the file', () => {
    const timed = [
      { ...plain, ttlMs: 100 },
      { ...plain, slidingTtlMs: 50 },
    ];
    const stored = open([page(-1, [1, 2], [0]), page(-1, [3, 4], [1])], timed, 30);
    expect(stored.match(ask([1, 2]), 69)).toEqual([0]);
    expect(stored.claimsOf(0, 20)).toEqual([{ ...plain, ttlMs: 50 }]);
    expect(stored.match(ask([1, 2]), 70)).toEqual([]);
    expect(stored.match(ask([3, 4]), 19)).toEqual([1]);
    expect(stored.match(ask([3, 4]), 20)).toEqual([]);
  });

  it('does not find what was invalidated, and still finds what another claim covers', () => {
    const about = (tag: string) => ({ ...plain, tags: [tag], session: tag });
    const stored = open(
      [page(-1, [1, 2]), page(0, [3, 4], [0]), page(0, [5, 6], [1])],
      [about('product:a'), about('product:b')],
    );
    expect(stored.claims.end({ tag: 'product:a' })).toBe(1);
    expect(stored.claims.end({ tag: 'product:a' })).toBe(0);
    expect(stored.match(ask([1, 2, 3, 4]), 0)).toEqual([0]);
    expect(stored.match(ask([1, 2, 5, 6]), 0)).toEqual([0, 2]);
    expect(stored.claims.end({ session: 'product:b', salt: 'other' })).toBe(0);
    expect(stored.claims.end({ session: 'product:b' })).toBe(1);
    expect(stored.match(ask([1, 2]), 0)).toEqual([]);
    expect(stored.livePages(0)).toBe(0);
  });

  it('ends older versions of a tag and a context that its session has left', () => {
    const claimed = [
      { ...plain, tags: ['file:a@1'] },
      { ...plain, session: 's', context: ['repo:billing'] },
      { ...plain, session: 't', context: ['repo:billing'] },
    ];
    const stored = open([page(-1, [1, 2], [0]), page(-1, [3, 4], [1]), page(-1, [5, 6], [2])], claimed);
    expect(stored.claims.observe({ salt: '', tags: ['file:a@1', 'b'] })).toBe(0);
    expect(stored.claims.observe({ salt: 'x', tags: ['file:a@2'] })).toBe(0);
    expect(stored.claims.observe({ salt: '', tags: ['file:a@2'] })).toBe(1);
    expect(stored.claims.observe({ salt: '', session: 's', context: ['repo:billing', 'more'] })).toBe(0);
    expect(stored.claims.observe({ salt: '', session: 's', context: ['repo:shop'] })).toBe(1);
    expect([1, 3, 5].map((first) => stored.match(ask([first, first + 1]), 0).length)).toEqual([0, 0, 1]);
  });

  it('does not find a refused page, nor what continues it', () => {
    const stored = open(tree, claims);
    stored.refuse(1, 'damaged');
    stored.refuse(1, 'unreadable');
    expect(stored.match(ask([1, 2, 3, 4, 5]), 0)).toEqual([0, 3]);
    expect([stored.refusedPages, stored.refusals]).toEqual([1, { damaged: 1, truncated: 0, unreadable: 0 }]);
  });

  it('gives a page the claims below it, pins as claims like others, and tells where pins end', () => {
    const stored = open([page(-1, [1, 2]), page(0, [3, 4], [0])], [{ ...plain, isPinned: true }]);
    expect(stored.claimsOf(0, 0)).toEqual([plain]);
    expect(stored.claimsOf(1, 0)).toEqual([plain]);
    expect([...stored.pins(0)]).toEqual([{ page: 1, claim: { ...plain, isPinned: true } }]);
    expect(stored.pathTo(1)).toEqual([0, 1]);
    expect(stored.claimAt(1, 0, 0).isPinned).toBe(true);
    stored.takePins(1);
    expect(stored.claimAt(1, 0, 0)).toEqual(plain);
  });

  it('gives a page its own claims before the many of the pages below it', () => {
    const named = (tag: string) => ({ ...plain, tags: [tag] });
    const below = Array.from({ length: 100 }, (_, n) => page(0, [10 + n, 1], [n]));
    const claimed = [...below.map((_, n) => named(`below:${n}`)), named('own')];
    const stored = open([page(-1, [1, 2], [100]), ...below], claimed);
    const found = stored.claimsOf(0, 0);
    expect(found).toHaveLength(64);
    expect(found[0]?.tags).toEqual(['own']);
  });

  it('forgets what the 65th claim of a page says, and keeps the page as long as the others', () => {
    const claimed = Array.from({ length: 65 }, (_, n) => ({ ...plain, tags: [`t${n}`], ttlMs: 1_000 + n }));
    const stored = open(
      [
        page(
          -1,
          [1, 2],
          claimed.map((_, n) => n),
        ),
      ],
      claimed,
    );
    const tags = stored.claimsOf(0, 0).flatMap((claim) => claim.tags);
    expect(tags).toEqual(claimed.slice(0, 64).flatMap((claim) => claim.tags));
    // Where earlier ones are over there is room for it.
    expect(stored.claimsOf(0, 1_000).flatMap((claim) => claim.tags)).toContain('t64');
    expect(stored.match(ask([1, 2]), 1_000)).toEqual([0]);
  });
});
