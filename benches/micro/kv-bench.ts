import { strict as assert } from 'node:assert';
import { type PageId, PagePool } from '@octavo/kv';
import type { BenchRow } from './bench-row.ts';
import { createMatchWorkload, EXPECTED_MATCH, type MatchWorkload } from './kv-workload.ts';
import { type BenchCase, type BenchEffort, measure } from './measure.ts';

const POOL_PAGES = 65_536;
const PAGES_AT_ONCE = 64;

/** The micro benches of `@octavo/kv`: pages, and matching in a large index, each with the naive index as second row. */
export async function runKvBench(effort: BenchEffort): Promise<BenchRow[]> {
  const radix = createMatchWorkload(
    effort === 'smoke'
      ? { index: 'radix', others: 1_000, siblings: 100 }
      : { index: 'radix', others: 100_000, siblings: 10_000 },
  );
  const linear = createMatchWorkload({ index: 'linear', others: 1_000, siblings: effort === 'smoke' ? 100 : 1_000 });
  const cases = [pageCase(), ...matchCases(radix, '<= 20 us'), ...matchCases(linear, undefined)];
  return cases.map((benchCase) => measure(benchCase, effort));
}

/** Allocates 64 pages and gives them back, as an admission and a release do. */
function pageCase(): BenchCase {
  const pool = new PagePool(POOL_PAGES);
  const held = new Int32Array(PAGES_AT_ONCE);
  const run = () => {
    for (let at = 0; at < PAGES_AT_ONCE; at++) held[at] = pool.alloc();
    for (let at = PAGES_AT_ONCE - 1; at >= 0; at--) pool.release(held[at] as PageId);
  };
  const check = () => {
    run();
    assert.equal(new Set(held).size, PAGES_AT_ONCE);
    assert.equal(pool.freePages, POOL_PAGES - 1);
    return PAGES_AT_ONCE;
  };
  return {
    name: 'allocate + free a page',
    aim: '>= 20 million/s',
    unit: 'million/s',
    operations: PAGES_AT_ONCE,
    check,
    run,
  };
}

function matchCases(workload: MatchWorkload, aim: string | undefined): BenchCase[] {
  const { cache } = workload;
  const nodes = cache.stats().nodes.toLocaleString('en');
  const index = aim === undefined ? 'naive index' : 'radix index';
  const prompts = [
    { shape: 'one long label', tokens: workload.longLabel },
    { shape: 'one node a page', tokens: workload.chain },
    { shape: 'under a node with many children', tokens: workload.crowd },
  ];
  return prompts.map(({ shape, tokens }) => ({
    name: `match 1,000 tokens, ${shape}, ${index} of ${nodes} nodes`,
    aim,
    unit: 'us',
    check: () => {
      const found = cache.match(tokens, tokens.length, '');
      assert.deepEqual(found, { matchedTokens: EXPECTED_MATCH, missReason: 'none' });
      return 1;
    },
    run: () => {
      cache.match(tokens, tokens.length, '');
    },
  }));
}
