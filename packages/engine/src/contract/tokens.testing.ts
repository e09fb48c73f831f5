/** Golden tokens, however they are computed. */
import { expect, it } from 'vitest';
import type { EngineOptions, GenerateResult } from '../api.ts';
import {
  completeAll,
  expectGoldens,
  type Golden,
  llama,
  type OpenModel,
  shopkeeper,
  withEngine,
} from '../engine.testing.ts';

interface Variant {
  readonly what: string;
  readonly options: EngineOptions;
  readonly goldens?: readonly Golden[];
}

const few = shopkeeper.goldens.slice(0, 3);
const shopkeeperVariants: readonly Variant[] = [
  { what: 'all together on a cold cache', options: {} },
  { what: 'in chunks of 7 tokens', options: { tokenBudget: 7 } },
  { what: 'in pages of 1 token', options: { pageSize: 1 } },
  { what: 'in pages of 4 tokens', options: { pageSize: 4 } },
  { what: 'in pages of 64 tokens', options: { pageSize: 64 } },
  { what: 'without sharing', options: { sharing: false } },
  { what: 'with the naive index', options: { index: 'linear' } },
  { what: 'one sequence a step', options: { maxSequences: 1 } },
  { what: 'on two threads', options: { threads: 2 } },
  { what: 'in float16 pages', options: { kvType: 'f16' } },
  { what: 'in int8 pages', options: { kvType: 'int8' } },
  { what: 'without any K/V cache', options: { kvCache: false }, goldens: few },
];
const llamaVariants: readonly EngineOptions[] = [
  {},
  { tokenBudget: 7 },
  { pageSize: 1 },
  { pageSize: 4 },
  { pageSize: 64 },
  { sharing: false },
  { kvCache: false },
  { pages: 12 },
  { kvType: 'f16' },
];

function totalOf(results: readonly GenerateResult[], count: 'cachedTokens' | 'preemptions'): number {
  return results.reduce((sum, { usage }) => sum + usage[count], 0);
}

/** What holds in every mode. */
export function describeTokens(open: OpenModel): void {
  it('gives the golden tokens cold one after the other, then warm and 20 at a time', async () => {
    const { goldens } = shopkeeper;
    await withEngine(open({ verifyPlans: true }), async (engine) => {
      const cold: GenerateResult[] = [];
      for (const golden of goldens) cold.push(...(await completeAll(engine, [golden])));
      expectGoldens(cold, goldens);
      expect(cold[0]?.usage).toMatchObject({ cachedTokens: 0, missReason: 'cold' });
      const warm = await completeAll(engine, goldens);
      expectGoldens(warm, goldens);
      // All but the last token of a prompt that was served before is found.
      expect(warm.map(({ usage }) => usage.computedTokens)).toEqual(goldens.map(() => 1));
    });
  });

  it('gives the golden tokens when sequences are preempted and resumed', async () => {
    await withEngine(open({ pages: 26, verifyPlans: true }), async (engine) => {
      const results = await completeAll(engine, shopkeeper.goldens);
      expectGoldens(results, shopkeeper.goldens);
      expect(totalOf(results, 'preemptions')).toBeGreaterThan(0);
    });
  });

  it('finds what was warmed, and counts no completion for it', async () => {
    await withEngine(open(), async (engine) => {
      const messages = shopkeeper.goldens[1]?.messages ?? [];
      const outcome = await engine.warm([{ messages: messages.slice(0, 1) }, 'What is the weather', [5, 6, 7]]);
      expect(outcome.warmed).toBe(3);
      const { completionTokens, computedTokens } = await engine.stats();
      expect({ completionTokens, computedTokens }).toEqual({
        completionTokens: 0,
        computedTokens: outcome.computedTokens,
      });
      const { usage } = await engine.chat({ messages, maxTokens: 1 }).result();
      expect(usage.cachedTokens).toBeGreaterThan(90);
    });
  });
}

/** What the host decides, so that one mode is enough to show it: how steps are cut, pages laid out and prefixes found. */
export function describeVariants(open: OpenModel): void {
  it.each(shopkeeperVariants)('gives the golden tokens $what', async ({ options, goldens = shopkeeper.goldens }) => {
    await withEngine(open({ verifyPlans: true, ...options }), async (engine) => {
      const results = await completeAll(engine, goldens);
      expectGoldens(results, goldens);
      if (options.sharing === false || options.kvCache === false) expect(totalOf(results, 'cachedTokens')).toBe(0);
    });
  });

  it.each(llamaVariants)('gives the golden tokens of a model without a tokenizer, with %o', async (options) => {
    await withEngine(open({ verifyPlans: true, ...options }, llama.folder), async (engine) => {
      const results = await completeAll(engine, llama.goldens);
      expectGoldens(results, llama.goldens);
      expect(results.filter((result) => 'text' in result)).toEqual([]);
    });
  });
}
