/** Times the steps in which all of a number of sequences decode, and nothing else happens. */
import type { Engine, EngineStats } from 'octavo';

export interface DecodeWindow {
  /** Steps that were timed. */
  readonly steps: number;
  /** Milliseconds of a step: everything, and the runtime's share. */
  readonly stepMs: number;
  readonly runMs: number;
  readonly tokensPerSecond: number;
  /** Pages that the sequences hold when the window ends; a shared one counts once. */
  readonly heldPages: number;
}

/** The engine's default: a sequence that is done reading decodes while the others still read, one token for each such step. */
const TOKEN_BUDGET = 256;

/**
 * Tokens that a sequence may make until the window ends, whichever is first to begin: one for every step in which others read their prompts,
 * and those of the window. Pools must have room for them. Pure.
 */
export function tokensUntilEnd(prompts: readonly ArrayLike<number>[], windowSteps: number): number {
  const promptTokens = prompts.reduce((sum, { length }) => sum + length, 0);
  return Math.ceil(promptTokens / TOKEN_BUDGET) + prompts.length + 2 * windowSteps;
}

/**
 * Effect: serves the prompts together. The window begins when every sequence has its first token, and is over after `windowSteps` more tokens;
 * then all sequences are ended. Throws when one ended before.
 */
export async function decodeWindow(
  engine: Engine,
  prompts: readonly (Uint32Array | readonly number[])[],
  windowSteps: number,
): Promise<DecodeWindow> {
  windows += 1;
  const salt = `window ${windows}`;
  const maxTokens = tokensUntilEnd(prompts, windowSteps);
  const generations = prompts.map((ids) => engine.generate({ ids, maxTokens, ignoreEos: true, salt }));
  let waiting = prompts.length;
  let before: EngineStats | undefined;
  let after: EngineStats | undefined;
  await Promise.all(
    generations.map(async (generation) => {
      let tokens = 0;
      for await (const { ids } of generation) {
        if (tokens === 0) {
          waiting -= 1;
          if (waiting === 0) before = await engine.stats();
        }
        tokens += ids.length;
        if (before === undefined || after !== undefined || !hasPassed(before, await engine.stats(), windowSteps))
          continue;
        after ??= await engine.stats();
        for (const other of generations) other.abort();
      }
      if (after === undefined) throw new Error(`A sequence ended after ${tokens} tokens, before the window did.`);
    }),
  );
  if (before === undefined || after === undefined) throw new Error('No step could be timed.');
  const steps = after.steps - before.steps;
  const total = (stats: EngineStats) => Object.values(stats.stepMs).reduce((sum, part) => sum + part, 0);
  const stepMs = (total(after) - total(before)) / steps;
  const runMs = (after.stepMs.run - before.stepMs.run) / steps;
  return { steps, stepMs, runMs, tokensPerSecond: (1_000 * prompts.length) / stepMs, heldPages: after.kv.heldPages };
}

function hasPassed(before: EngineStats, now: EngineStats, steps: number): boolean {
  return now.steps >= before.steps + steps;
}

/** Windows so far: each has a salt of its own, so that none finds pages of another. */
let windows = 0;
