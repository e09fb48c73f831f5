/** Serves a workload once and adds up what it took. */
import type { Engine, EngineStats, GenerateResult } from 'octavo';
import { percentile } from '../statistics.ts';
import type { Workload, WorkloadRequest } from './workload.ts';

export interface Served {
  /** Completion of every prompt, by the prompt's ids. */
  readonly answers: ReadonlyMap<string, Answer>;
  readonly requests: number;
  readonly seconds: number;
  readonly requestsPerSecond: number;
  readonly outputPerSecond: number;
  readonly ttftMs: { readonly p50: number; readonly p95: number };
  /** cached / prompt tokens */
  readonly hitRate: number;
  readonly computedTokens: number;
  readonly steps: number;
  /** Milliseconds of every part of a step, over the whole run. */
  readonly stepMs: EngineStats['stepMs'];
}

export interface Answer {
  readonly prompt: Uint32Array;
  readonly ids: readonly number[];
  /** Completions of the same prompt, asked again, that are not `ids`: right only if they part at a tie, see `checkAgreement`. */
  readonly others: readonly (readonly number[])[];
}

/**
 * Effect: one run of the workload. `salt` keeps runs apart, so that each begins with an empty index while the pool stays as full as in a
 * server that runs for long. Throws when a request does not give the tokens that it asked for.
 */
export async function serveOnce(engine: Engine, workload: Workload, salt: string): Promise<Served> {
  if (workload.warm !== undefined)
    await engine.warm(
      workload.warm.map((ids) => [...ids]),
      { salt },
    );
  const before = await engine.stats();
  const answers = new Map<string, Answer>();
  const results: GenerateResult[] = [];
  const ask = async ({ ids, maxTokens }: WorkloadRequest) => {
    const result = await engine.generate({ ids, maxTokens, ignoreEos: true, salt }).result();
    if (result.ids.length !== maxTokens)
      throw new Error(`${result.ids.length} tokens came, ${maxTokens} were asked for`);
    const key = ids.join();
    answers.set(key, withCompletion(answers.get(key), ids, result.ids));
    results.push(result);
    return result;
  };
  const began = performance.now();
  await workload.serve(ask);
  const seconds = (performance.now() - began) / 1000;
  if (results.length !== workload.requests) throw new Error(`${results.length} of ${workload.requests} requests ended`);
  return { answers, ...numbersOf(results, seconds), ...stepsBetween(before, await engine.stats()) };
}

function withCompletion(known: Answer | undefined, prompt: Uint32Array, ids: readonly number[]): Answer {
  if (known === undefined) return { prompt, ids, others: [] };
  const isKnown = [known.ids, ...known.others].some((completion) => completion.join() === ids.join());
  return isKnown ? known : { ...known, others: [...known.others, ids] };
}

function numbersOf(results: readonly GenerateResult[], seconds: number) {
  const sum = (pick: (result: GenerateResult) => number) => results.reduce((total, result) => total + pick(result), 0);
  const waits = results.map(({ timings }) => timings.ttftMs);
  return {
    requests: results.length,
    seconds,
    requestsPerSecond: results.length / seconds,
    outputPerSecond: sum(({ usage }) => usage.completionTokens) / seconds,
    ttftMs: { p50: percentile(waits, 0.5), p95: percentile(waits, 0.95) },
    hitRate: sum(({ usage }) => usage.cachedTokens) / sum(({ usage }) => usage.promptTokens),
    computedTokens: sum(({ usage }) => usage.computedTokens),
  };
}

function stepsBetween(before: EngineStats, after: EngineStats): Pick<Served, 'steps' | 'stepMs'> {
  const part = (name: keyof EngineStats['stepMs']) => after.stepMs[name] - before.stepMs[name];
  return {
    steps: after.steps - before.steps,
    stepMs: {
      plan: part('plan'),
      prepare: part('prepare'),
      run: part('run'),
      write: part('write'),
      sample: part('sample'),
      commit: part('commit'),
    },
  };
}
