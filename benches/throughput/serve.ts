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
}

/**
 * Effect: one run of the workload. `salt` keeps runs apart, so that each begins with an empty index while the pool stays as full as in a
 * server that runs for long. Throws when a request does not give the tokens that it asked for, or when the same prompt is answered twice
 * in different ways.
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
    const known = answers.get(key);
    if (known !== undefined && known.ids.join() !== result.ids.join())
      throw new AnswersDiffer(ids, known.ids, result.ids);
    answers.set(key, { prompt: ids, ids: result.ids });
    results.push(result);
    return result;
  };
  const began = performance.now();
  await workload.serve(ask);
  const seconds = (performance.now() - began) / 1000;
  if (results.length !== workload.requests) throw new Error(`${results.length} of ${workload.requests} requests ended`);
  return { answers, ...numbersOf(results, seconds), ...stepsBetween(before, await engine.stats()) };
}

/** Two completions of one prompt that are not the same. */
export class AnswersDiffer extends Error {
  constructor(
    readonly prompt: Uint32Array,
    readonly first: readonly number[],
    readonly second: readonly number[],
  ) {
    super(`a prompt of ${prompt.length} tokens was answered in two ways: ${first.join()} and ${second.join()}`);
    this.name = 'AnswersDiffer';
  }
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
