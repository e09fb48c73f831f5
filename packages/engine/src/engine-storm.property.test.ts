/** Random storms of requests on the fake model: whatever comes, each answer is what its prompt alone would give, and nothing is left behind. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Engine, GenerateRequest } from './api.ts';
import { expectIdle } from './engine.testing.ts';
import { EngineError } from './errors.ts';
import { FakeRunner, fakeCompletion } from './fake-runner.ts';
import { openEngineWith } from './open-engine.ts';

/** Storms in a run of the tests; CI runs the default. */
const RUNS = Number(process.env.OCTAVO_STORM_RUNS ?? 200);

/** What happened in all storms together: a storm without aborts, failures and preemptions would show nothing. */
const seen = { answered: 0, cached: 0, aborted: 0, failed: 0, preempted: 0 };

interface StormRequest {
  readonly ids: readonly number[];
  readonly maxTokens: number;
  readonly salt: string;
  readonly priority: number;
  readonly cache: 'share' | 'bypass';
  /** Submitted when this run begins. */
  readonly atRun: number;
  /** Aborted so many runs later, if at all. */
  readonly abortAfter: number | undefined;
  readonly end: 'signal' | 'abort';
}

/** Prompts with long common beginnings: three trunks, cut anywhere, with short endings of their own. */
const promptArbitrary = fc
  .record({
    trunk: fc.integer({ min: 0, max: 2 }),
    cut: fc.integer({ min: 0, max: 30 }),
    ending: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 5 }),
  })
  .map(({ trunk, cut, ending }) => [...Array.from({ length: cut }, (_, i) => (trunk * 20 + i * 7) % 61), ...ending]);

const requestArbitrary: fc.Arbitrary<StormRequest> = fc.record({
  ids: promptArbitrary,
  maxTokens: fc.integer({ min: 1, max: 12 }),
  salt: fc.constantFrom('', '', 'b'),
  priority: fc.constantFrom(0, 0, 0, 1),
  cache: fc.constantFrom('share' as const, 'share' as const, 'bypass' as const),
  atRun: fc.integer({ min: 0, max: 12 }),
  abortAfter: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined }),
  end: fc.constantFrom('signal' as const, 'abort' as const),
});

const stormArbitrary = fc.record({
  requests: fc.array(requestArbitrary, { minLength: 1, maxLength: 14 }),
  // A run with one of these numbers fails.
  failures: fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { maxLength: 3 }),
  pageSize: fc.constantFrom(1, 3, 4, 8),
  // One sequence of 35 + 11 tokens always fits.
  tightness: fc.constantFrom(1, 1.5, 4),
  tokenBudget: fc.constantFrom(5, 16, 64),
  maxSequences: fc.constantFrom(1, 3, 8),
  kvType: fc.constantFrom('f32' as const, 'f16' as const, 'int8' as const),
  index: fc.constantFrom('radix' as const, 'linear' as const),
});

type Storm = typeof stormArbitrary extends fc.Arbitrary<infer Value> ? Value : never;

/** Calls back at the beginning of each run, before it may fail. */
class Weather {
  readonly #atRun = new Map<number, (() => void)[]>();
  #run = 0;

  at(run: number, work: () => void): void {
    if (run <= this.#run) queueMicrotask(work);
    else this.#atRun.set(run, [...(this.#atRun.get(run) ?? []), work]);
  }

  begin(run: number): void {
    this.#run = run;
    for (const work of this.#atRun.get(run) ?? []) work();
    this.#atRun.delete(run);
  }

  /** Lets everything happen that waits for a run that will never come. */
  clear(): void {
    for (const run of [...this.#atRun.keys()].sort((a, b) => a - b)) this.begin(run);
  }

  get now(): number {
    return this.#run;
  }
}

/** Submits a request at its time and checks its answer; resolves when it has ended. */
function live(engine: Engine, request: StormRequest, weather: Weather): Promise<void> {
  return new Promise((resolve, reject) => {
    weather.at(request.atRun, () => void answer(engine, request, weather).then(resolve, reject));
  });
}

async function answer(engine: Engine, request: StormRequest, weather: Weather): Promise<void> {
  const { ids, maxTokens, salt, priority, cache } = request;
  const controller = new AbortController();
  const reason = new Error('aborted by the storm');
  const asked: GenerateRequest = { ids, maxTokens, salt, priority, cache, signal: controller.signal };
  const generation = engine.generate(asked);
  const abort = () => (request.end === 'signal' ? controller.abort(reason) : generation.abort());
  if (request.abortAfter !== undefined) weather.at(weather.now + request.abortAfter, abort);
  const expected = fakeCompletion(ids, maxTokens);
  try {
    const result = await generation.result();
    expect(result.ids).toEqual(expected.slice(0, result.ids.length));
    if (result.usage.preemptions > 0) seen.preempted += 1;
    if (result.finishReason === 'abort') {
      seen.aborted += 1;
      return;
    }
    seen.answered += 1;
    if (result.usage.cachedTokens > 0) seen.cached += 1;
    expect(result.ids).toEqual(expected);
    expect(result.finishReason).toBe('length');
    expect(result.usage.cachedTokens + result.usage.computedTokens).toBe(ids.length);
    if (cache === 'bypass') expect(result.usage.cachedTokens).toBe(0);
  } catch (error) {
    if (error === reason) seen.aborted += 1;
    else if (error instanceof EngineError && error.code === 'RUN_FAILED') seen.failed += 1;
    else throw error;
  }
}

async function ride(storm: Storm): Promise<void> {
  const { requests, failures, tightness, ...options } = storm;
  const weather = new Weather();
  const runner = new FakeRunner({
    beforeRun: async (run) => {
      weather.begin(run);
      // Messages come in while the run is in progress, as they do before the runtime blocks the thread.
      await new Promise((resolve) => setImmediate(resolve));
      if (failures.includes(run)) throw new Error(`run ${run} fails`);
    },
  });
  const pages = 2 + Math.ceil(tightness * Math.ceil(46 / options.pageSize));
  const engine = await openEngineWith({ runner }, { ...options, pages, verifyPlans: true });
  try {
    const ended = Promise.all(requests.map((request) => live(engine, request, weather)));
    let isOver = false;
    ended.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    while (!isOver) {
      expect(await engine.audit()).toEqual([]);
      const { running, waiting } = await engine.stats();
      if (running + waiting === 0) weather.clear();
    }
    await ended;
    await expectIdle(engine);
  } finally {
    await engine.close();
  }
}

describe('an engine in a storm of requests', () => {
  it(`answers each as if it were alone, and leaves nothing behind, in ${RUNS} storms`, async () => {
    await fc.assert(fc.asyncProperty(stormArbitrary, ride), { numRuns: RUNS });
    for (const [what, count] of Object.entries(seen)) expect(`${what} ${count}`).not.toBe(`${what} 0`);
  });
});
