/** Times the steps in which all of a number of sequences decode, and nothing else happens. */
import type { Engine, EngineStats } from 'octavo';

export interface DecodeWindow {
  /** Steps that were timed. */
  readonly steps: number;
  /** Milliseconds of a step: everything, and the runtime's share. */
  readonly stepMs: number;
  readonly runMs: number;
  readonly tokensPerSecond: number;
}

/**
 * Effect: serves the prompts together. The window begins when every sequence has its first token and ends when the first sequence ends.
 * Throws when a sequence does not give its tokens, or no step lies in the window.
 */
export async function decodeWindow(
  engine: Engine,
  prompts: readonly (Uint32Array | readonly number[])[],
  newTokens: number,
): Promise<DecodeWindow> {
  let waiting = prompts.length;
  let before: EngineStats | undefined;
  let after: EngineStats | undefined;
  windows += 1;
  const salt = `window ${windows}`;
  await Promise.all(
    prompts.map(async (ids) => {
      let tokens = 0;
      for await (const delta of engine.generate({ ids, maxTokens: newTokens, ignoreEos: true, salt })) {
        if (tokens === 0) {
          waiting -= 1;
          if (waiting === 0) before = await engine.stats();
        }
        tokens += delta.ids.length;
        // Two tokens before its end a sequence is still in every step.
        if (tokens >= newTokens - 2 && waiting === 0) after ??= await engine.stats();
      }
      if (tokens !== newTokens) throw new Error(`${tokens} of ${newTokens} tokens came`);
    }),
  );
  if (before === undefined || after === undefined || after.steps <= before.steps)
    throw new Error('No step could be timed.');
  const steps = after.steps - before.steps;
  const total = (stats: EngineStats) => Object.values(stats.stepMs).reduce((sum, part) => sum + part, 0);
  const stepMs = (total(after) - total(before)) / steps;
  const runMs = (after.stepMs.run - before.stepMs.run) / steps;
  return { steps, stepMs, runMs, tokensPerSecond: (1_000 * prompts.length) / stepMs };
}

/** Windows so far: each has a salt of its own, so that none finds pages of another. */
let windows = 0;
