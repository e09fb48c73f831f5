import { strict as assert } from 'node:assert';
import { performance } from 'node:perf_hooks';
import { checkKv, createKvCache, type KvCache } from '@octavo/kv';
import { createScheduler, type Scheduler, type StepPlan } from '@octavo/scheduler';
import { type BenchRow, measured } from './bench-row.ts';
import type { BenchEffort } from './measure.ts';

const SEQUENCES = 16;
const PAGE_SIZE = 16;
const SYSTEM_PAGES = 16;
const PRODUCT_PAGES = 4;
const ANSWER_TOKENS = 64;
/** What a step of 16 sequences of the 135M shape takes with q4 weights on two cores, at the least (bench step-share: 50 to 60 ms). */
const STEP_MS = 50;

/** How much to do. */
interface OverheadScale {
  readonly products: number;
  readonly entries: number;
  readonly steps: number;
}

/**
 * What index and lifetimes cost a step, in a shop with 100,000 answered questions about 1,000 products in a full cache: each entry has a session,
 * a tag and a time to live. 16 sequences decode; each that ends makes room for a new one, whose prompt is matched and stored; each new page
 * evicts an old one, and about one entry a step expires. Every call of the scheduler to the cache and to its leases is timed.
 */
export async function runOverheadBench(effort: BenchEffort): Promise<BenchRow[]> {
  const scale: OverheadScale =
    effort === 'smoke'
      ? { products: 20, entries: 2_000, steps: 300 }
      : { products: 1_000, entries: 100_000, steps: 4_000 };
  const shop = new Shop(scale);
  const checked = shop.check();
  const { spent, worstMs } = shop.serve();
  const total = [...spent.values()].reduce((sum, ms) => sum + ms, 0);
  const title = `${SEQUENCES} sequences, ${scale.entries.toLocaleString('en')} entries`;
  const row = (name: string, value: number, unit: string, aim?: string): BenchRow =>
    measured({ name: `${name}, ${title}`, value, unit, aim, samples: scale.steps, checked });
  return [
    row(
      `index and lifetimes, share of a step of ${STEP_MS} ms`,
      (100 * total) / (scale.steps * STEP_MS),
      '%',
      '<= 1 %',
    ),
    row('index and lifetimes a step', (1_000 * total) / scale.steps, 'us'),
    ...[...spent].map(([name, ms]) => row(`of it ${name}`, (1_000 * ms) / scale.steps, 'us')),
    row('most in one step', worstMs, 'ms'),
  ];
}

class Shop {
  readonly #scale: OverheadScale;
  readonly #kv: KvCache;
  readonly #scheduler: Scheduler;
  readonly #result = { tokens: new Int32Array(4 * SEQUENCES), stops: new Uint8Array(4 * SEQUENCES) };
  readonly #spent = new Map<string, number>();
  readonly #lifespanMs: number;
  #nowMs = 0;
  #question = 0;
  #served = 0;

  constructor(scale: OverheadScale) {
    this.#scale = scale;
    // As many as there are entries, one a step.
    this.#lifespanMs = scale.entries * STEP_MS;
    const shared = SYSTEM_PAGES + scale.products * PRODUCT_PAGES;
    // Full from the start: what runs makes room for itself.
    const pages = 1 + shared + scale.entries;
    this.#kv = createKvCache({ pages, pageSize: PAGE_SIZE, clock: () => this.#nowMs });
    for (let at = 0; at < scale.entries; at++) this.#store();
    this.#timeCalls();
    const limits = { maxSequences: SEQUENCES, tokenBudget: 512, maxWaiting: SEQUENCES, watermarkPages: 0 };
    this.#scheduler = createScheduler({ kv: this.#kv, ...limits });
    for (let at = 0; at < SEQUENCES; at++) this.#submit();
  }

  /** Serves until everything has happened, proves that it did and that the cache is sound. Returns how many prompts were proved. */
  check(): number {
    for (let step = 0; step < this.#scale.steps / 2; step++) this.#step();
    const stats = this.#kv.stats();
    assert.deepEqual(checkKv(this.#kv), []);
    assert.ok(stats.claims > this.#scale.entries / 2, `${stats.claims} claims`);
    assert.ok(stats.evictedPages > 0 && stats.removedPages > 0, 'nothing was evicted, or nothing expired');
    assert.ok(stats.sessions > 0 && stats.tags === this.#scale.products, `${stats.tags} tags`);
    assert.ok(this.#served > 0, 'no answer was finished');
    return this.#served;
  }

  /** Milliseconds spent in each call, over all steps, and the most in one step. */
  serve(): { readonly spent: ReadonlyMap<string, number>; readonly worstMs: number } {
    this.#spent.clear();
    let worstMs = 0;
    let before = 0;
    for (let step = 0; step < this.#scale.steps; step++) {
      this.#step();
      const after = [...this.#spent.values()].reduce((sum, ms) => sum + ms, 0);
      worstMs = Math.max(worstMs, after - before);
      before = after;
    }
    return { spent: this.#spent, worstMs };
  }

  #step(): void {
    this.#nowMs += STEP_MS;
    const plan = this.#scheduler.plan() as StepPlan;
    for (let head = 0; head < plan.headCount; head++) this.#result.tokens[head] = (this.#nowMs + head) % 30_000;
    const report = this.#scheduler.commit(plan, this.#result);
    for (let at = 0; at < report.finishedCount; at++) {
      const usage = this.#scheduler.usage(report.finished[at] as number);
      // System prompt and description were found, the question was not.
      assert.equal(usage.cachedTokens, (SYSTEM_PAGES + PRODUCT_PAGES) * PAGE_SIZE);
      this.#served++;
      this.#submit();
    }
  }

  #submit(): void {
    const prompt = this.#prompt();
    const claim = this.#claim();
    const request = { prompt, maxTokens: ANSWER_TOKENS, salt: '', priority: 0, mode: 'share', logits: 'last' } as const;
    assert.ok(this.#scheduler.submit({ ...request, claim }).ok, 'the scheduler refused a sequence');
  }

  /** A question that was answered before, of one page. */
  #store(): void {
    const tokens = this.#prompt();
    const request = { tokens, tokenCount: tokens.length, salt: '', mode: 'share', roomTokens: tokens.length } as const;
    const answer = this.#kv.acquire({ ...request, keepPages: 0, claim: this.#claim() });
    assert.ok(answer.ok, 'the pool is too small');
    answer.lease.transferred();
    answer.lease.publish(tokens, tokens.length);
    answer.lease.release();
  }

  /** [system prompt, product, question] Questions go round the products, and begin with a token that no other has. */
  #prompt(): Uint32Array {
    const question = this.#question++;
    const product = question % this.#scale.products;
    const tokens = new Uint32Array((SYSTEM_PAGES + PRODUCT_PAGES + 1) * PAGE_SIZE).fill(1, 0, SYSTEM_PAGES * PAGE_SIZE);
    tokens.fill(100 + product, SYSTEM_PAGES * PAGE_SIZE, (SYSTEM_PAGES + PRODUCT_PAGES) * PAGE_SIZE);
    return tokens.fill(10_000 + question, (SYSTEM_PAGES + PRODUCT_PAGES) * PAGE_SIZE);
  }

  #claim(): { session: string; tags: string[]; ttlMs: number } {
    const product = this.#question % this.#scale.products;
    const random = (Math.imul(this.#question, 0x9e3779b1) >>> 0) / 2 ** 32;
    return {
      session: `customer ${this.#question % 20_000}`,
      tags: [`product:${product}`],
      ttlMs: 1 + Math.floor(random * this.#lifespanMs),
    };
  }

  #timeCalls(): void {
    const kv = this.#kv;
    timeMethods(kv, ['match', 'expire', 'assertLifetime'], this.#spent);
    const acquire = kv.acquire.bind(kv);
    kv.acquire = (request) => {
      const started = performance.now();
      const answer = acquire(request);
      addTo(this.#spent, 'acquire', performance.now() - started);
      if (answer.ok) timeMethods(answer.lease, ['tryExtend', 'transferred', 'publish', 'seal', 'release'], this.#spent);
      return answer;
    };
  }
}

/** Effect: the methods of this object are timed from now on. */
function timeMethods<Target extends object>(
  target: Target,
  names: readonly (keyof Target & string)[],
  spent: Map<string, number>,
): void {
  for (const name of names) {
    const method = (target[name] as (...given: unknown[]) => unknown).bind(target);
    const timed = (...given: unknown[]) => {
      const started = performance.now();
      const answer = method(...given);
      addTo(spent, name, performance.now() - started);
      return answer;
    };
    Object.defineProperty(target, name, { value: timed });
  }
}

function addTo(spent: Map<string, number>, name: string, ms: number): void {
  spent.set(name, (spent.get(name) ?? 0) + ms);
}
