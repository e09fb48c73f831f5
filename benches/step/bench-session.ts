import { type Engine, type EngineOptions, openEngine } from 'octavo';
import { checkGoldens } from '../engine/check.ts';
import { benchCache } from '../engine/workload.ts';

/** How many golden answers are right; throws when one is not. Once a process: it is the same engine for all benches. */
export function goldensChecked(): Promise<number> {
  checked ??= checkGoldens('in-thread', benchCache());
  return checked;
}

let checked: Promise<number> | undefined;

/** Effect: opens an engine in this thread, and closes it when `work` is over. */
export async function withEngine<Value>(
  model: string,
  options: EngineOptions,
  work: (engine: Engine) => Promise<Value>,
): Promise<Value> {
  const engine = await openEngine(model, {
    mode: 'in-thread',
    cacheFolder: benchCache(),
    commitMemory: 'open',
    ...options,
  });
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}
