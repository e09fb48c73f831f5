import { strict as assert } from 'node:assert';
import { type AcquireRequest, createKvCache, type KvCache, type KvLease } from '@octavo/kv';
import { fitExponent } from '../statistics.ts';
import { type BenchRow, measured } from './bench-row.ts';
import type { BenchEffort } from './measure.ts';
import { type Pause, PauseMeter } from './pause-meter.ts';

const PAGE_SIZE = 4;
const HEADS = 1_000;
const FILLER_PAGES = 1_000;
const STEPS = 20_000;
/** Times that the most entries are stored, expired and evicted. */
const ROUNDS = 3;
const DAY_MS = 24 * 3_600_000;

/** Where entries hang: below 1,000 heads, as questions below product descriptions, or each on its own. */
type Shape = 'below 1,000 heads' | 'each on its own';

const KINDS = ['storing an entry', 'expiry in one step', 'evicting one page'] as const;

/** What one size cost, an entry, in CPU time. */
interface Measured {
  readonly entries: number;
  readonly storeUs: number;
  readonly expireUs: number;
  readonly evictUs: number;
}

/**
 * Entries of one page with random times to live up to a day: what storing, expiring and evicting one costs, over sizes, with the growth fitted, and the
 * longest pauses among the most. The last rows are what the machine itself adds to a pause.
 */
export async function runLifetimesBench(effort: BenchEffort): Promise<BenchRow[]> {
  const sizes = effort === 'smoke' ? [2_000, 4_000, 8_000] : [62_500, 125_000, 250_000, 500_000, 1_000_000];
  const rows: BenchRow[] = [];
  for (const shape of ['below 1,000 heads', 'each on its own'] as const) {
    // Compiled before the first is timed.
    measureSize(Math.min(20_000, sizes[0] as number), shape, meterFor(20_000));
    const all = sizes.slice(0, -1).map((entries) => measureSize(entries, shape, meterFor(entries)));
    const most = sizes.at(-1) as number;
    const meter = meterFor(most);
    for (let round = 0; round < ROUNDS; round++) {
      all.push(measureSize(most, shape, meter));
      meter.endRound();
      await meter.settle();
    }
    rows.push(...rowsOf(shape, all, meter.end()));
  }
  return [...rows, ...(await machineRows(effort))];
}

function meterFor(entries: number): PauseMeter {
  const meter = new PauseMeter();
  const calls = { 'storing an entry': 2 * entries, 'expiry in one step': STEPS, 'evicting one page': entries };
  for (const kind of KINDS) meter.expect(kind, calls[kind]);
  return meter;
}

function rowsOf(shape: Shape, all: readonly Measured[], pauseOf: (kind: string) => Pause): BenchRow[] {
  const largest = all.at(-1) as Measured;
  const count = largest.entries.toLocaleString('en');
  const value = (name: string, amount: number, unit: string, aim?: string, samples = 1): BenchRow =>
    measured({ name: `${name}, ${shape}`, aim, value: amount, unit, samples, checked: largest.entries });
  const aim = '<= 0.35 exponent';
  return [
    value(`store an entry, ${count} of them`, largest.storeUs, 'us'),
    value(`let an entry expire, of ${count}`, largest.expireUs, 'us'),
    value(`evict an entry, of ${count}`, largest.evictUs, 'us'),
    value(
      'growth of expiring with the number of entries',
      fitExponent(all.map(({ entries, expireUs }) => ({ x: entries, y: expireUs }))),
      'exponent',
      aim,
    ),
    value(
      'growth of evicting with the number of entries',
      fitExponent(all.map(({ entries, evictUs }) => ({ x: entries, y: evictUs }))),
      'exponent',
      aim,
    ),
    ...KINDS.flatMap((kind) => {
      const { ms, collectorMs, ownMs, recurringMs } = pauseOf(kind);
      return [
        value(`longest pause of ${kind}`, ms, 'ms', '<= 5 ms', ROUNDS),
        value(`of it the garbage collector, ${kind}`, collectorMs, 'ms', undefined, ROUNDS),
        value(`longest pause of ${kind}, without what others took`, ownMs, 'ms', '<= 5 ms', ROUNDS),
        value(`longest pause of ${kind} that comes in every round`, recurringMs, 'ms', '<= 5 ms', ROUNDS),
      ];
    }),
  ];
}

/** The longest call of one that does nothing: pauses that this bench cannot tell from those of the cache. */
async function machineRows(effort: BenchEffort): Promise<BenchRow[]> {
  const calls = effort === 'smoke' ? 100_000 : 10_000_000;
  const meter = new PauseMeter();
  meter.expect('nothing', calls);
  for (let round = 0; round < ROUNDS; round++) {
    for (let call = 0; call < calls; call++) meter.time('nothing', () => {});
    meter.endRound();
    await meter.settle();
  }
  const { ms, ownMs } = meter.end()('nothing');
  const row = (name: string, value: number): BenchRow =>
    measured({ name, value, unit: 'ms', samples: ROUNDS, checked: 1 });
  return [
    row('longest pause of doing nothing', ms),
    row('longest pause of doing nothing, without what others took', ownMs),
  ];
}

function measureSize(entries: number, shape: Shape, meter: PauseMeter): Measured {
  let nowMs = 0;
  let seed = 12_345;
  const random = () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return seed / 0x80000000;
  };
  const pages = entries + HEADS + 64;
  const cache = createKvCache({ pages, pageSize: PAGE_SIZE, clock: () => nowMs });
  const tokens = new Uint32Array(shape === 'each on its own' ? PAGE_SIZE : 2 * PAGE_SIZE);
  // One request for all entries, so that what the collector has to do comes from the cache.
  const tokenCount = tokens.length;
  const request = {
    tokens,
    tokenCount,
    salt: '',
    mode: 'share' as const,
    roomTokens: tokenCount,
    keepPages: 0,
    claim: {},
  };
  const storeNext = () => store(cache, request);
  const storeAll = (claimOf: () => { ttlMs?: number }) => {
    for (let entry = 0; entry < entries; entry++) {
      request.claim = claimOf();
      writeTokens(tokens, entry, shape);
      meter.time('storing an entry', storeNext);
    }
  };
  const storeMs = timed(() => storeAll(() => ({ ttlMs: 1 + Math.floor(random() * DAY_MS) })));
  assert.equal(cache.stats().claims, entries);
  let ended = 0;
  const expireMs = timed(() => {
    // Through the day: about 50 entries a step at a million.
    const expire = () => {
      ended += cache.expire();
    };
    for (let step = 1; step <= STEPS; step++) {
      nowMs = Math.ceil((step * DAY_MS) / STEPS) + 1;
      meter.time('expiry in one step', expire);
    }
  });
  for (let left = cache.expire(); left > 0; left = cache.expire()) ended += left;
  assert.equal(ended, entries);
  assert.equal(cache.stats().publishedPages, 0);
  storeAll(() => ({}));
  const evictMs = evictAll(cache, entries, meter);
  const each = (ms: number) => (ms * 1_000) / entries;
  return { entries, storeUs: each(storeMs), expireUs: each(expireMs), evictUs: each(evictMs) };
}

/** Takes everything away again, page by page, for requests of 1,000 pages. */
function evictAll(cache: KvCache, entries: number, meter: PauseMeter): number {
  const before = cache.stats().evictedPages;
  const fillers: KvLease[] = [];
  const filling = new Uint32Array(FILLER_PAGES * PAGE_SIZE);
  let tokens = 0;
  const takePage = () => {
    if (tokens % (FILLER_PAGES * PAGE_SIZE) === 0) {
      // As long as it will be, so that its page table does not grow.
      const request = { tokens: filling, tokenCount: filling.length, salt: 'filler', roomTokens: 1, keepPages: 0 };
      const filler = cache.acquire({ ...request, mode: 'bypass' });
      assert.ok(filler.ok);
      fillers.push(filler.lease);
      tokens = PAGE_SIZE;
      return;
    }
    tokens += PAGE_SIZE;
    assert.ok(fillers.at(-1)?.tryExtend(tokens).ok);
  };
  while (cache.freePages > 0) takePage();
  const evictMs = timed(() => {
    for (let at = 0; at < entries; at++) meter.time('evicting one page', takePage);
  });
  assert.equal(cache.stats().evictedPages - before, entries);
  for (const filler of fillers) filler.release();
  return evictMs;
}

/** [PAGE_SIZE or 2 x PAGE_SIZE] The prompt of an entry: its head, if there are heads, and its own page. */
function writeTokens(tokens: Uint32Array, entry: number, shape: Shape): void {
  if (shape === 'each on its own') {
    tokens.fill(entry);
    return;
  }
  tokens.fill(entry % HEADS, 0, PAGE_SIZE);
  tokens.fill(Math.floor(entry / HEADS), PAGE_SIZE);
}

function store(cache: KvCache, request: AcquireRequest): void {
  const { tokens, tokenCount } = request;
  const answer = cache.acquire(request);
  if (!answer.ok) throw new Error('the pool is too small');
  answer.lease.transferred();
  answer.lease.publish(tokens, tokenCount);
  answer.lease.release();
}

/** Milliseconds of processor time of this process, all its threads: what others do on the machine costs nothing, a collection does. */
function timed(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
