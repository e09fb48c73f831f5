/** Deltas, text, ends and times of one request. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Engine, GenerateResult } from '../api.ts';
import { completeAll, expectIdle, type OpenModel, shopkeeper, withEngine } from '../engine.testing.ts';

export function describeStreams(open: OpenModel): void {
  let shared: Engine;
  beforeAll(async () => {
    shared = await open();
  });
  afterAll(() => shared.close());
  const withShared = async (work: (engine: Engine) => Promise<void>) => {
    await work(shared);
    await expectIdle(shared);
  };

  it('streams the text of a chat in deltas that join to the result', async () => {
    await withShared(async (engine) => {
      for (const { messages, answer } of shopkeeper.goldens.slice(0, 4)) {
        const generation = engine.chat({ messages });
        const deltas = [];
        for await (const delta of generation) deltas.push(delta);
        const result = await generation.result();
        expect(result).toMatchObject({ text: answer, finishReason: 'stop' });
        expect(deltas.map(({ text }) => text).join('')).toBe(answer);
        expect(deltas.flatMap(({ ids }) => ids)).toEqual(result.ids);
        // The end token is a token of the completion and no part of its text.
        expect(result.ids.at(-1)).toBe(2);
      }
    });
  });

  it('cuts the text before a stop string that lies across tokens, and ends there', async () => {
    await withShared(async (engine) => {
      const { messages } = shopkeeper.goldens[1] as (typeof shopkeeper.goldens)[number];
      const whole = await engine.chat({ messages }).result();
      expect(whole.text).toBe('It weighs 2.8 kg.');
      const generation = engine.chat({ messages, stop: ['8 k', 'never'] });
      const texts: string[] = [];
      for await (const { text } of generation) texts.push(text ?? '');
      const result = await generation.result();
      expect(result).toMatchObject({ text: 'It weighs 2.', finishReason: 'stop' });
      expect(texts.join('')).toBe('It weighs 2.');
      expect(result.ids.length).toBeLessThan(whole.ids.length);
    });
  });

  it('shows what a stop string held back when it never completes', async () => {
    await withShared(async (engine) => {
      const { messages } = shopkeeper.goldens[1] as (typeof shopkeeper.goldens)[number];
      const result = await engine.chat({ messages, stop: ['kg. And'] }).result();
      expect(result.text).toBe('It weighs 2.8 kg.');
    });
  });

  it('stops at ids of the caller, and goes on after an end id when told to', async () => {
    await withShared(async (engine) => {
      const [golden] = shopkeeper.goldens as [(typeof shopkeeper.goldens)[number]];
      const stopped = await engine.generate({ ids: golden.ids, stopIds: [golden.greedy[2] as number] }).result();
      expect(stopped).toMatchObject({ ids: golden.greedy.slice(0, 3), finishReason: 'stop' });
      const limited = await engine.generate({ prompt: golden.text, maxTokens: 20, ignoreEos: true }).result();
      expect(limited).toMatchObject({ ids: golden.greedy.slice(0, 20), finishReason: 'length' });
    });
  });

  it('takes the length of a completion from the model, and never leaves the context', async () => {
    await withEngine(open({ contextTokens: 60 }), async (engine) => {
      const [golden] = shopkeeper.goldens as [(typeof shopkeeper.goldens)[number]];
      const clipped = await engine.generate({ ids: golden.ids, ignoreEos: true }).result();
      expect(clipped.ids).toHaveLength(60 - golden.ids.length);
    });
    await withShared(async (engine) => {
      const [golden] = shopkeeper.goldens as [(typeof shopkeeper.goldens)[number]];
      // max_new_tokens of its generation_config.json.
      expect((await engine.generate({ ids: golden.ids, ignoreEos: true }).result()).ids).toHaveLength(64);
    });
  });

  it('does not wait for a slow reader, who gets all that came in one delta', async () => {
    await withShared(async (engine) => {
      const [golden] = shopkeeper.goldens as [(typeof shopkeeper.goldens)[number]];
      const generation = engine.generate({ ids: golden.ids, maxTokens: 30, ignoreEos: true });
      const result = await generation.result();
      const deltas = [];
      for await (const delta of generation) deltas.push(delta);
      expect(deltas).toEqual([{ ids: golden.greedy.slice(0, 30), text: result.text }]);
    });
  });

  it('reports when a request was queued, got its first token and ended, in this order', async () => {
    await withShared(async (engine) => {
      const results = await completeAll(engine, shopkeeper.goldens);
      for (const { timings } of results) {
        expect(timings.queueMs).toBeGreaterThan(0);
        expect(timings.ttftMs).toBeGreaterThan(timings.queueMs);
        expect(timings.totalMs).toBeGreaterThan(timings.ttftMs);
        // 48 tokens have 47 gaps.
        expect(timings.perTokenMs).toBeGreaterThan(0);
        expect(timings.perTokenMs * 47).toBeLessThanOrEqual(timings.totalMs - timings.ttftMs);
      }
    });
  });

  it('samples the same tokens from a seed in a batch and alone, and reports the seed that it drew', async () => {
    await withShared(async (engine) => {
      const ask = (seed: number, ids: readonly number[]) =>
        engine.generate({ ids, seed, temperature: 3, topK: 50, maxTokens: 24, ignoreEos: true });
      const prompts = shopkeeper.goldens.slice(0, 8).map(({ ids }) => ids);
      const together = await Promise.all(prompts.map((ids, i) => ask(i, ids).result()));
      const alone: GenerateResult[] = [];
      for (const [i, ids] of prompts.entries()) alone.push(await ask(i, ids).result());
      expect(alone.map(({ ids }) => ids)).toEqual(together.map(({ ids }) => ids));
      expect(alone.map(({ seed }) => seed)).toEqual(prompts.map((_, i) => i));
      const greedy = shopkeeper.goldens.slice(0, 8).map(({ greedy: ids }) => ids.slice(0, 24));
      expect(alone.filter(({ ids }, i) => ids.join() !== greedy[i]?.join()).length).toBeGreaterThan(4);

      const [ids] = prompts as [readonly number[]];
      const drawn = await engine.generate({ ids, temperature: 3, maxTokens: 24, ignoreEos: true }).result();
      const again = await engine
        .generate({ ids, temperature: 3, maxTokens: 24, ignoreEos: true, seed: drawn.seed })
        .result();
      expect(again.ids).toEqual(drawn.ids);
    });
  });

  it('turns text into ids and back', async () => {
    await withShared(async (engine) => {
      const [golden] = shopkeeper.goldens as [(typeof shopkeeper.goldens)[number]];
      expect(await engine.tokenize(golden.text)).toEqual(golden.ids);
      expect(await engine.detokenize(golden.ids)).toBe(golden.text);
    });
  });
}
