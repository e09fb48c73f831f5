import { strict as assert } from 'node:assert';
import { createKvCache } from '@octavo/kv';
import { checkPlan, checkScheduler, createScheduler, type Scheduler, type StepPlan } from '@octavo/scheduler';
import type { BenchRow } from './bench-row.ts';
import { type BenchCase, type BenchEffort, measure } from './measure.ts';

const SEQUENCES = 64;
const PAGE_SIZE = 16;
const SHARED_PAGES = 64;
/** Tails grow from 1 to 64 pages, then all sequences are submitted anew. */
const MAX_TOKENS = 1_024;

/**
 * The micro bench of `@octavo/scheduler`: what the step loop pays for scheduling. Planning and committing a step of 64 decodes that share a
 * prompt of 64 pages, with and without the planning of shared page groups. The aim is meant for `plan()` alone; the row has the commit too.
 */
export async function runSchedulerBench(effort: BenchEffort): Promise<BenchRow[]> {
  return (['levels', 'flat'] as const).map((attention) => measure(decodeCase(attention), effort));
}

function decodeCase(attention: 'levels' | 'flat'): BenchCase {
  const loop = new DecodeLoop(attention);
  return {
    name: `plan + commit, 64 decodes over 64 shared pages, ${attention}`,
    aim: attention === 'levels' ? '<= 100 us' : undefined,
    unit: 'us',
    check: () => loop.check(),
    run: () => loop.step(),
  };
}

/** Steps of 64 decodes for ever, with an executor that answers at once. */
class DecodeLoop {
  readonly #scheduler: Scheduler;
  readonly #attention: 'levels' | 'flat';
  readonly #result = { tokens: new Int32Array(4 * SEQUENCES), stops: new Uint8Array(4 * SEQUENCES) };
  #round = 0;
  #token = 0;

  constructor(attention: 'levels' | 'flat') {
    const kv = createKvCache({ pages: 3 * SEQUENCES * (MAX_TOKENS / PAGE_SIZE + 2), pageSize: PAGE_SIZE });
    const limits = { maxSequences: SEQUENCES, tokenBudget: 2_048, maxWaiting: SEQUENCES };
    this.#attention = attention;
    this.#scheduler = createScheduler({ kv, attention, ...limits });
  }

  step(): void {
    const plan = this.#plan();
    this.#commit(plan);
  }

  /** Proves that every row of a step reads its own past, and that shared pages are read once. Returns how many rows were proved. */
  check(): number {
    // Two rounds first: what happens once a page or once a round is compiled by then.
    for (let at = 0; at < 2 * MAX_TOKENS; at += 1) this.step();
    let plan = this.#plan();
    for (let at = 0; at < 10 || plan.rowCount !== SEQUENCES; at += 1) {
      assert(at < 100, 'the sequences never decode together');
      this.#commit(plan);
      plan = this.#plan();
    }
    assert.deepEqual(checkPlan(plan, this.#scheduler.inspect()), []);
    assert.deepEqual(checkScheduler(this.#scheduler), []);
    const { uniquePages } = plan.attention;
    const reads = plan.levels.reduce((sum, level) => sum + level.groupCount * level.pagesPerGroup, 0);
    if (this.#attention === 'levels') assert(reads < uniquePages * 1.2, `${reads} reads of ${uniquePages} pages`);
    else assert(reads >= SEQUENCES * SHARED_PAGES, `${reads} reads`);
    const proved = plan.rowCount;
    this.#commit(plan);
    return proved;
  }

  #plan(): StepPlan {
    const plan = this.#scheduler.plan();
    if (plan !== undefined) return plan;
    this.#submit();
    return this.#plan();
  }

  #commit(plan: StepPlan): void {
    const { tokens } = this.#result;
    for (let head = 0; head < plan.headCount; head += 1) {
      this.#token = (Math.imul(this.#token, 1_664_525) + 1_013_904_223) | 0;
      tokens[head] = this.#token & 0x7fff;
    }
    this.#scheduler.commit(plan, this.#result);
  }

  #submit(): void {
    this.#round += 1;
    for (let sequence = 0; sequence < SEQUENCES; sequence += 1) {
      const prompt = new Uint32Array(SHARED_PAGES * PAGE_SIZE + 2);
      for (let at = 0; at < prompt.length; at += 1) prompt[at] = at;
      prompt.set([100_000 + this.#round, sequence], prompt.length - 2);
      const request = { prompt, maxTokens: MAX_TOKENS, salt: '', priority: 0, mode: 'share', logits: 'last' } as const;
      assert(this.#scheduler.submit(request).ok, 'the scheduler refused a sequence');
    }
  }
}
