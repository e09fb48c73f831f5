import { strict as assert } from 'node:assert';
import { createKvCache, type KvCache } from '@octavo/kv';
import { fitExponent } from '../statistics.ts';
import { type BenchRow, measured } from './bench-row.ts';
import type { BenchEffort } from './measure.ts';

const PAGE_SIZE = 4;
const HEADS = 1_000;
const DAY_MS = 24 * 3_600_000;

/** What one size cost: an entry in microseconds, the longest call in milliseconds. */
interface Measured {
  readonly entries: number;
  readonly storeUs: number;
  readonly expireUs: number;
  readonly evictUs: number;
  readonly worstExpireMs: number;
  readonly worstEvictMs: number;
}

/**
 * Entries with random times to live up to a day: what storing, expiring and evicting one costs, over sizes, with the growth fitted, and the
 * longest pause. Each entry is a page of its own below one of 1,000 heads, as questions are below product descriptions.
 */
export async function runLifetimesBench(effort: BenchEffort): Promise<BenchRow[]> {
  const sizes = effort === 'smoke' ? [2_000, 4_000, 8_000] : [62_500, 125_000, 250_000, 500_000, 1_000_000];
  // Compiled before the first is timed.
  measureSize(Math.min(20_000, sizes[0] as number));
  const all = sizes.map(measureSize);
  const largest = all.at(-1) as Measured;
  const count = largest.entries.toLocaleString('en');
  const value = (name: string, amount: number, unit: string, aim?: string): BenchRow =>
    measured({ name, aim, value: amount, unit, samples: 1, checked: largest.entries });
  return [
    value(`store an entry, ${count} of them`, largest.storeUs, 'us'),
    value(`let an entry expire, of ${count}`, largest.expireUs, 'us'),
    value(`evict an entry, of ${count}`, largest.evictUs, 'us'),
    value(
      'growth of expiring, exponent of the number of entries',
      fitExponent(all.map(({ entries, expireUs }) => ({ x: entries, y: expireUs }))),
      'exponent',
      '<= 0.35 exponent',
    ),
    value(
      'growth of evicting, exponent of the number of entries',
      fitExponent(all.map(({ entries, evictUs }) => ({ x: entries, y: evictUs }))),
      'exponent',
      '<= 0.35 exponent',
    ),
    value('longest pause of expiry in one step', largest.worstExpireMs, 'ms', '<= 5 ms'),
    value('longest pause of evicting one page', largest.worstEvictMs, 'ms', '<= 5 ms'),
  ];
}

function measureSize(entries: number): Measured {
  let nowMs = 0;
  let seed = 12_345;
  const random = () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return seed / 0x80000000;
  };
  const pages = entries + HEADS + 64;
  const cache = createKvCache({ pages, pageSize: PAGE_SIZE, clock: () => nowMs, ghostEntries: 1_024 });
  const stored = timed(() => storeAll(cache, entries, () => ({ ttlMs: 1 + Math.floor(random() * DAY_MS) })));
  assert.equal(cache.stats().claims, entries);
  let worstExpireMs = 0;
  let ended = 0;
  const expired = timed(() => {
    // 20,000 steps through the day: about 50 entries each at a million.
    for (let step = 1; step <= 20_000; step++) {
      nowMs = Math.ceil((step * DAY_MS) / 20_000) + 1;
      const started = cpuMs();
      ended += cache.expire();
      worstExpireMs = Math.max(worstExpireMs, cpuMs() - started);
    }
  });
  for (let left = cache.expire(); left > 0; left = cache.expire()) ended += left;
  assert.equal(ended, entries);
  assert.equal(cache.stats().publishedPages, 0);
  const { evicted, worstEvictMs } = evictAll(cache, entries);
  return {
    entries,
    storeUs: (stored * 1_000) / entries,
    expireUs: (expired * 1_000) / entries,
    evictUs: (evicted * 1_000) / entries,
    worstExpireMs,
    worstEvictMs,
  };
}

/** Everything again, without times, and then taken away page by page. */
function evictAll(cache: KvCache, entries: number): { evicted: number; worstEvictMs: number } {
  storeAll(cache, entries, () => ({}));
  const filler = cache.acquire({
    ...{ tokens: new Uint32Array(1), tokenCount: 1, salt: 'filler', mode: 'bypass', roomTokens: 1, keepPages: 0 },
  });
  assert.ok(filler.ok);
  const before = cache.stats().evictedPages;
  let worstEvictMs = 0;
  let tokens = PAGE_SIZE;
  const takePage = () => {
    tokens += PAGE_SIZE;
    assert.ok(filler.lease.tryExtend(tokens).ok);
  };
  while (cache.freePages > 0) takePage();
  const evicted = timed(() => {
    for (let at = 0; at < entries; at++) {
      const started = cpuMs();
      takePage();
      worstEvictMs = Math.max(worstEvictMs, cpuMs() - started);
    }
  });
  assert.equal(cache.stats().evictedPages - before, entries);
  filler.lease.release();
  return { evicted, worstEvictMs };
}

function storeAll(cache: KvCache, entries: number, claimOf: () => { ttlMs?: number }): void {
  const tokens = new Uint32Array(2 * PAGE_SIZE);
  for (let at = 0; at < entries; at++) {
    tokens.fill(at % HEADS, 0, PAGE_SIZE);
    tokens.fill(Math.floor(at / HEADS), PAGE_SIZE);
    const answer = cache.acquire({
      ...{ tokens, tokenCount: tokens.length, salt: '', mode: 'share', roomTokens: tokens.length, keepPages: 0 },
      claim: claimOf(),
    });
    if (!answer.ok) throw new Error('the pool is too small');
    answer.lease.transferred();
    answer.lease.publish(tokens, tokens.length);
    answer.lease.release();
  }
}

/** Processor time of this process, all its threads: what others do on the machine does not count as a pause, a collection does. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function timed(work: () => void): number {
  const started = cpuMs();
  work();
  return cpuMs() - started;
}
