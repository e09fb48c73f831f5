/** Weights and activations in whole numbers, through the engine: what is shared and what is batched must not change an answer. */
import { describe, expect, it } from 'vitest';
import type { EngineOptions } from './api.ts';
import { completeAll, expectIdle, shopkeeper, temporaryFolder } from './engine.testing.ts';
import { openEngine } from './open-engine.ts';

const cacheFolder = temporaryFolder();
/** Up to the end of their answers; behind it the model makes noise. */
const prompts = shopkeeper.goldens
  .slice(0, 12)
  .map(({ ids, greedy }) => ({ ids, greedy: greedy.slice(0, greedy.indexOf(2)) }));

async function answers(weights: 'w8a8' | 'q4+w8a8', options: EngineOptions, times = 1): Promise<(readonly number[])[]> {
  const engine = await openEngine(shopkeeper.folder, { mode: 'in-thread', weights, cacheFolder, ...options });
  try {
    let made: (readonly number[])[] = [];
    for (let time = 0; time < times; time += 1) made = (await completeAll(engine, prompts)).map(({ ids }) => ids);
    await expectIdle(engine);
    return made;
  } finally {
    await engine.close();
  }
}

describe.each(['w8a8', 'q4+w8a8'] as const)('an engine with %s weights', (weights) => {
  it('gives the same greedy tokens with sharing on or off, batched or alone, cold or warm', async () => {
    const alone = await answers(weights, { sharing: false, maxSequences: 1 });
    expect(alone.map(({ length }) => length)).toEqual(prompts.map(({ greedy }) => greedy.length));
    expect(await answers(weights, { sharing: false, maxSequences: 12 })).toEqual(alone);
    expect(await answers(weights, { sharing: true, maxSequences: 12 })).toEqual(alone);
    expect(await answers(weights, { sharing: true, maxSequences: 3 }, 2)).toEqual(alone);
    const same = alone.filter((ids, index) => ids.join() === prompts[index]?.greedy.join());
    // Measured: 12 of 12.
    expect(same.length).toBeGreaterThanOrEqual(10);
  });
});
