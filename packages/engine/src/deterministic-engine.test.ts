/** A deterministic engine, whole: what it says of a prompt does not depend on what else it does, nor on whether it keeps anything. */
import { describe, expect, it } from 'vitest';
import type { Engine, EngineOptions } from './api.ts';
import { temporaryFolder, withEngine } from './engine.testing.ts';
import { openEngine } from './open-engine.ts';
import { longer } from './ort/deterministic.testing.ts';

const folder = longer('llama', 4096);
const cacheFolder = temporaryFolder();

/** A long one and short ones, some of which begin as it does. */
const prompts = [
  [2100, 0],
  [40, 0],
  [300, 0],
  [7, 3],
  [270, 5],
].map(([length = 0, trunk = 0], ending) => [
  ...Array.from({ length }, (_, i) => 5 + ((trunk * 31 + i * 11 + (i % 7) * 3) % 90)),
  5 + ending,
]);

const options: EngineOptions = { mode: 'in-thread', deterministic: true, pages: 600, threads: 2, cacheFolder };
const withDeterministic = <Value>(more: EngineOptions, work: (engine: Engine) => Promise<Value>) =>
  withEngine(openEngine(folder, { ...options, ...more }), work);

/** Logits of the last position, and of each other one what the next token follows with. */
const scoreOf = async (engine: Engine, ids: readonly number[]) => {
  const { lastLogits, logprobs } = await engine.score({ ids });
  return { lastLogits, logprobs };
};
const scoresTogether = (engine: Engine) => Promise.all(prompts.map((ids) => scoreOf(engine, ids)));
const drawnTogether = (engine: Engine) =>
  Promise.all(
    prompts.map((ids, seed) =>
      engine.generate({ ids, maxTokens: 6, ignoreEos: true, temperature: 1.5, seed }).result(),
    ),
  );

describe('a deterministic engine', () => {
  it('gives bit-equal logits and the same draws alone and together, cold and warm, and without a cache', async () => {
    const alone = await withDeterministic({ maxSequences: 1 }, async (engine) => {
      const scores = [];
      for (const ids of prompts) scores.push(await scoreOf(engine, ids));
      return scores;
    });
    expect(alone.map(({ lastLogits }) => lastLogits.length)).toEqual(prompts.map(() => 192));
    const drawn = await withDeterministic({}, async (engine) => {
      expect(await scoresTogether(engine)).toEqual(alone);
      const cold = await drawnTogether(engine);
      const warm = await drawnTogether(engine);
      expect(warm.map(({ ids }) => ids)).toEqual(cold.map(({ ids }) => ids));
      expect(warm[0]?.usage.cachedTokens).toBeGreaterThan(2000);
      // With pages in the cache, too.
      expect(await scoresTogether(engine)).toEqual(alone);
      return cold.map(({ ids }) => ids);
    });
    await withDeterministic({ kvCache: false }, async (engine) => {
      expect(await scoresTogether(engine)).toEqual(alone);
      expect((await drawnTogether(engine)).map(({ ids }) => ids)).toEqual(drawn);
    });
  });
});
