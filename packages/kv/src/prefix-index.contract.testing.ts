import { describe, expect, it } from 'vitest';
import { tokensOf } from './cache.testing.ts';
import { plainIndexOptions, plainRun } from './index-options.testing.ts';
import { PagePool } from './page-pool.ts';
import type { IndexOptions, PrefixIndex } from './prefix-index.ts';
import { type NodeId, NULL_PAGE, type PageId } from './units.ts';

/** An index over 19 pages of 4 tokens, and what a cache would do with it. */
class Bench {
  readonly pool = new PagePool(20);
  readonly index: PrefixIndex;

  constructor(create: (options: IndexOptions) => PrefixIndex) {
    this.index = create(plainIndexOptions(this.pool, 4, 8));
  }

  /** Locks what is there, allocates the rest, publishes all full pages. Returns the end and the table. */
  publish(text: string, salt = ''): { end: NodeId; table: Int32Array } {
    const tokens = tokensOf(text);
    const found = this.index.lockMatch(tokens, tokens.length, salt);
    const { endNode, matchedPages } = found;
    this.index.raiseLock(found.lockNode, endNode);
    const endPage = Math.floor(text.length / 4);
    const table = new Int32Array(Math.ceil(text.length / 4));
    this.index.readPath(endNode, table);
    for (let place = 0; place < matchedPages; place++) this.pool.retain(table[place] as PageId);
    for (let place = matchedPages; place < table.length; place++) table[place] = this.pool.alloc();
    const run = plainRun({ tokens, table, firstPage: matchedPages, endPage });
    return { end: this.index.publish(endNode, run), table };
  }

  /** Lets go of a table and its lock. */
  release({ end, table }: { readonly end: NodeId; readonly table: Int32Array }): void {
    for (const page of table) this.pool.release(page as PageId);
    this.index.unlock(end);
  }

  seal(held: { readonly end: NodeId; readonly table: Int32Array }, text: string): NodeId | undefined {
    const place = held.table.length - 1;
    const run = plainRun({ tokens: tokensOf(text), table: held.table, firstPage: place, endPage: place + 1 });
    return this.index.seal(held.end, run, text.length % 4);
  }

  match(text: string, salt = ''): number {
    return this.index.match(tokensOf(text), text.length, salt).matchedTokens;
  }
}

/** What every `PrefixIndex` has to do; a test file calls it with its implementation. */
export function describePrefixIndex(name: string, create: (options: IndexOptions) => PrefixIndex): void {
  describe(`${name} as a prefix index`, () => {
    it('finds what was published, to the token, the last token left out', () => {
      const bench = new Bench(create);
      bench.publish('aaaabbbbcccc');
      expect(['aaaabbbbccccd', 'aaaabbbbcccc', 'aaaabbx', 'aax', 'x'].map((text) => bench.match(text))).toEqual([
        12, 11, 6, 2, 0,
      ]);
    });

    it('locks what it matched, and the page to copy from', () => {
      const bench = new Bench(create);
      bench.release(bench.publish('aaaabbbbcccc'));
      expect(bench.index.evictablePages).toBe(3);
      const tokens = tokensOf('aaaabbx');
      const found = { ...bench.index.lockMatch(tokens, tokens.length, '') };
      expect(found).toMatchObject({ matchedPages: 1, sourcePage: 2, sourceTokens: 2, missReason: 'none' });
      expect(found.lockNode).not.toBe(found.endNode);
      expect(bench.index.evictablePages).toBe(1);
      bench.index.raiseLock(found.lockNode, found.endNode);
      expect(bench.index.evictablePages).toBe(2);
      bench.index.unlock(found.endNode);
      expect(bench.index.evictablePages).toBe(3);
    });

    it('copies from the next page in order when two have equally much in common, from the last before if there is none', () => {
      const bench = new Bench(create);
      for (const text of ['abaa', 'abcc', 'abee']) bench.release(bench.publish(text));
      const sourceFor = (text: string) => {
        const found = { ...bench.index.lockMatch(tokensOf(text), text.length, '') };
        bench.index.unlock(found.lockNode);
        return [found.sourcePage, found.sourceTokens];
      };
      expect(['abbx', 'abdx', 'abfx', 'ab', 'aaaa'].map(sourceFor)).toEqual([
        [2, 2],
        [3, 2],
        [3, 2],
        [1, 1],
        [1, 1],
      ]);
    });

    it('locks a root when nothing matches, and drops it with the lock', () => {
      const bench = new Bench(create);
      const found = bench.index.lockMatch(tokensOf('aa'), 2, 'salt');
      expect(found).toMatchObject({ matchedPages: 0, sourcePage: NULL_PAGE, sourceTokens: 0 });
      expect(found.lockNode).toBe(found.endNode);
      expect(bench.index.view().nodes.length).toBe(1);
      bench.index.unlock(found.endNode);
      expect(bench.index.view().nodes).toEqual([]);
    });

    it('counts locks: a page is evictable when the last of them is gone', () => {
      const bench = new Bench(create);
      const held = bench.publish('aaaabbbb');
      bench.index.lock(held.end);
      bench.release(held);
      expect(bench.index.evictablePages).toBe(0);
      bench.index.unlock(held.end);
      expect(bench.index.evictablePages).toBe(2);
    });

    it('reads the path to a node, in the order of the prompt', () => {
      const bench = new Bench(create);
      bench.publish('aaaabbbb');
      const { end, table } = bench.publish('aaaabbbbccccdddd');
      const path = new Int32Array(4);
      bench.index.readPath(end, path);
      expect(path).toEqual(table);
    });

    it('swaps duplicates in the table before it lets go of them', () => {
      const bench = new Bench(create);
      const first = bench.publish('aaaabbbb');
      const tokens = tokensOf('aaaabbbbcccc');
      const root = bench.index.view().nodes.find(({ kind }) => kind === 'root')?.node as NodeId;
      bench.index.lock(root);
      const table = Int32Array.of(bench.pool.alloc(), bench.pool.alloc(), bench.pool.alloc());
      const end = bench.index.publish(root, plainRun({ tokens, table, firstPage: 0, endPage: 3 }));
      expect([...table]).toEqual([1, 2, 5]);
      expect([3, 4].map((page) => bench.pool.state(page as PageId))).toEqual(['free', 'free']);
      expect([1, 2, 5].map((page) => bench.pool.references(page as PageId))).toEqual([2, 2, 1]);
      bench.release(first);
      expect(bench.index.evictablePages).toBe(0);
      bench.release({ end, table });
      expect(bench.index.evictablePages).toBe(3);
    });

    it('evicts the least recently unlocked page that nothing hangs on', () => {
      const bench = new Bench(create);
      const held = ['aaaabbbb', 'cccc', 'aaaadddd'].map((text) => bench.publish(text));
      for (const each of held) bench.release(each);
      const order: number[] = [];
      while (bench.index.evictablePages > 0) {
        const free = bench.pool.freePages;
        bench.index.evict();
        expect(bench.pool.freePages).toBe(free + 1);
        const page = bench.pool.alloc();
        order.push(page);
      }
      expect(order).toEqual([2, 3, 4, 1]);
      expect(bench.index).toMatchObject({ evictedPages: 4, nodeCount: 0 });
    });

    it('refuses to evict when everything is locked', () => {
      const bench = new Bench(create);
      bench.publish('aaaa');
      expect(() => bench.index.evict()).toThrow('law 4');
    });

    it('refuses to unlock what is not locked', () => {
      const bench = new Bench(create);
      const held = bench.publish('aaaa');
      bench.release(held);
      expect(() => bench.index.unlock(held.end)).toThrow('law 4');
    });

    it('seals a tail, drops it for a longer one, and stores none that a page begins with', () => {
      const bench = new Bench(create);
      const short = bench.publish('aaaabb');
      const sealed = bench.seal(short, 'aaaabb') as NodeId;
      expect(bench.match('aaaabb!')).toBe(6);
      const longer = bench.publish('aaaabbb');
      const longerNode = bench.seal(longer, 'aaaabbb') as NodeId;
      expect(bench.index.isDetached(sealed)).toBe(true);
      expect(bench.match('aaaabbb!')).toBe(7);
      const shorter = bench.publish('aaaabb');
      expect(bench.seal(shorter, 'aaaabb')).toBeUndefined();
      bench.release({ ...short, end: sealed });
      bench.release({ ...longer, end: longerNode });
      bench.release(shorter);
      expect(bench.index).toMatchObject({ evictablePages: 2, nodeCount: 2 });
      expect(bench.pool.freePages).toBe(17);
    });

    it('takes out one salt: held pages are detached and their ends known to be', () => {
      const bench = new Bench(create);
      const held = bench.publish('aaaabbbb', 'x');
      bench.release(bench.publish('aaaacccc', 'x'));
      bench.release(bench.publish('aaaa', 'y'));
      expect(bench.index.remove('x')).toBe(3);
      expect(bench.index.isDetached(held.end)).toBe(true);
      expect([bench.match('aaaab', 'x'), bench.match('aaaab', 'y')]).toEqual([0, 4]);
      expect(bench.pool.count('detached')).toBe(2);
      bench.release(held);
      expect(bench.pool.count('detached')).toBe(0);
      expect(bench.index.removeAll()).toBe(1);
      expect(bench.pool.freePages).toBe(19);
      expect(bench.index.view().nodes).toEqual([]);
    });

    it('is not changed by a match', () => {
      const bench = new Bench(create);
      for (const text of ['aaaabbbb', 'aaaacccc']) bench.release(bench.publish(text));
      const { tokensOf: _tokens, hasDigestOf: _digest, ...before } = bench.index.view();
      expect(bench.match('aaaabbx')).toBe(6);
      expect(bench.index.view()).toMatchObject(before);
    });
  });
}
