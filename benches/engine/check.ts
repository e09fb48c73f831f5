import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEngine, shippedModel } from 'octavo';

/**
 * Correctness before timing: the engine that is about to be timed gives the golden ids of the shipped model, 16 at a time.
 * Returns how many prompts were compared; throws on the first difference.
 */
export async function checkGoldens(mode: 'worker' | 'in-thread', cacheFolder: string): Promise<number> {
  const prompts = readGoldens();
  const engine = await openEngine(shippedModel(), { mode, cacheFolder });
  try {
    await Promise.all(
      prompts.map(async ({ token_ids: ids, greedy_token_ids: greedy }) => {
        const result = await engine.generate({ ids, maxTokens: greedy.length, ignoreEos: true }).result();
        if (result.ids.join() !== greedy.join()) {
          throw new Error(`golden ids differ: expected ${greedy.join()}, got ${result.ids.join()}`);
        }
      }),
    );
    const violations = await engine.audit();
    if (violations.length > 0) throw new Error(`invariants are violated: ${violations.join('; ')}`);
  } finally {
    await engine.close();
  }
  return prompts.length;
}

export interface GoldenPrompt {
  readonly token_ids: number[];
  readonly greedy_token_ids: number[];
}

/** Prompts of the shipped model and what follows them, from its golden.json. */
export function readGoldens(): readonly GoldenPrompt[] {
  const text = readFileSync(join(shippedModel(), 'golden.json'), 'utf8');
  return (JSON.parse(text) as { prompts: GoldenPrompt[] }).prompts;
}
