/** Prompts over their limit: refused, or shortened as the request says, and the answer says what was dropped. */
import { expect, it } from 'vitest';
import type { Engine, GenerateResult, Message } from '../api.ts';
import { engineErrorOf, expectIdle, type OpenModel, until, withEngine } from '../engine.testing.ts';
import type { LongPrompt, Truncation } from '../truncation-api.ts';

const system: Message = {
  role: 'system',
  content: 'You are a helpful store assistant. Answer using only the product description.',
};
const turn = (n: number): Message[] => [
  { role: 'user', content: `Question ${n}: how much is it?` },
  { role: 'assistant', content: 'The price is $449.' },
];
const longTalk = [
  system,
  ...Array.from({ length: 40 }, (_, n) => turn(n)).flat(),
  { role: 'user', content: 'What does it weigh?' },
];

async function answer(engine: Engine, messages: readonly Message[], truncation?: Truncation): Promise<GenerateResult> {
  return engine.chat({ messages, maxTokens: 8, ignoreEos: true, ...(truncation && { truncation }) }).result();
}

export function describeTruncation(open: OpenModel): void {
  it('refuses a conversation over its limit unless told otherwise', async () => {
    await withEngine(open({ contextTokens: 300 }), async (engine) => {
      const error = await engineErrorOf(answer(engine, longTalk));
      expect(error.code).toBe('PROMPT_OVER_CONTEXT');
      expect(error.message).toMatch(/the context of 300 tokens takes 299/);
      const limited = await engineErrorOf(answer(engine, longTalk.slice(0, 4), { limitTokens: 20 }));
      expect(limited.message).toMatch(/and its limit is 20: shorten it/);
    });
  });

  it('drops whole old turns, answers as if they had never been said, and says how many', async () => {
    await withEngine(open({ contextTokens: 300 }), async (engine) => {
      const dropped = await answer(engine, longTalk, 'turns');
      expect(dropped.usage.dropped?.messages).toBeGreaterThan(10);
      const rest = [system, ...longTalk.slice(1 + (dropped.usage.dropped?.messages ?? 0))];
      const plain = await answer(engine, rest);
      expect(plain.ids).toEqual(dropped.ids);
      expect(plain.usage).toMatchObject({ promptTokens: dropped.usage.promptTokens, computedTokens: 1 });
      expect(plain.usage.dropped).toBeUndefined();
      // One turn more would not have fitted beside 8 tokens of an answer.
      const more = [system, ...longTalk.slice(-1 + (dropped.usage.dropped?.messages ?? 0))];
      expect((await engineErrorOf(answer(engine, more, { limitTokens: 292 }))).code).toBe('PROMPT_OVER_CONTEXT');
    });
  });

  it('keeps the head and the recent tail, shares the head, and computes the tail again', async () => {
    await withEngine(open({ contextTokens: 300, truncation: 'head-and-tail' }), async (engine) => {
      const first = await answer(engine, longTalk);
      expect(first.usage.dropped).toMatchObject({ messages: 0, windowTokens: 0 });
      expect(first.usage.promptTokens).toBeLessThanOrEqual(292);
      const other = await answer(engine, [
        ...longTalk.slice(0, -1),
        { role: 'user', content: 'And how long is the warranty?' },
      ]);
      // The system message is a head of whole tokens; the tail begins at the same turn as before, so it is found as well.
      expect(other.usage.cachedTokens).toBeGreaterThan(200);
      const own = await answer(engine, longTalk, 'refuse').catch((error: { code: string }) => error.code);
      expect(own).toBe('PROMPT_OVER_CONTEXT');
    });
  });

  it("asks a function on the caller's side, with the ids, the messages and the limit", async () => {
    await withEngine(open({ contextTokens: 300 }), async (engine) => {
      let seen: LongPrompt | undefined;
      const shortened = await answer(engine, longTalk, {
        limitTokens: 250,
        policy: async (long) => {
          seen = long;
          await new Promise((resolve) => setTimeout(resolve, 5));
          return { messages: [system, longTalk.at(-1) as Message] };
        },
      });
      expect(seen?.limitTokens).toBe(250);
      expect(seen?.messages).toEqual(longTalk);
      expect(seen?.ids.length).toBeGreaterThan(250);
      const plain = await answer(engine, [system, longTalk.at(-1) as Message]);
      expect(plain.ids).toEqual(shortened.ids);
      expect(shortened.usage.dropped).toEqual({
        promptTokens: (seen?.ids.length ?? 0) - shortened.usage.promptTokens,
        messages: 80,
        windowTokens: 0,
      });
    });
  });

  it('rejects with what the function threw, refuses what is still too long or no prompt at all, and goes on', async () => {
    await withEngine(open({ contextTokens: 300 }), async (engine) => {
      const failure = new Error('no idea');
      const thrown = answer(engine, longTalk, () => {
        throw failure;
      });
      await expect(thrown).rejects.toBe(failure);
      const same = answer(engine, longTalk, (long) => ({ ids: long.ids }));
      expect((await engineErrorOf(same)).code).toBe('PROMPT_OVER_CONTEXT');
      const nothing = answer(engine, longTalk, (() => 7) as unknown as Truncation);
      expect((await engineErrorOf(nothing)).message).toMatch(/what the truncation function returned is 7/);
      expect((await answer(engine, longTalk.slice(0, 2))).ids.length).toBe(8);
    });
  });

  it('ends a request that is aborted while the function thinks', async () => {
    await withEngine(open({ contextTokens: 300 }), async (engine) => {
      let isAsked = false;
      let release = () => {};
      const thinking = new Promise<void>((resolve) => {
        release = resolve;
      });
      const generation = engine.chat({
        messages: longTalk,
        truncation: async (long) => {
          isAsked = true;
          await thinking;
          return { ids: long.ids.slice(0, 10) };
        },
      });
      await until(async () => isAsked);
      generation.abort();
      expect(await generation.result()).toMatchObject({ ids: [], finishReason: 'abort' });
      release();
      await expectIdle(engine);
    });
  });

  it('refuses turns of a prompt that has none, and unknown words', async () => {
    await withEngine(open({ contextTokens: 300 }), async (engine) => {
      const turns = engine.generate({ ids: [1, 2], truncation: 'turns' }).result();
      expect((await engineErrorOf(turns)).message).toMatch(/has no messages: give 'head-and-tail'/);
      const typo = engine.generate({ ids: [1], truncation: 'tail' as Truncation }).result();
      expect((await engineErrorOf(typo)).message).toMatch(
        /is tail: give 'refuse' or 'head-and-tail' or 'turns' or a function/,
      );
      const key = engine.generate({ ids: [1], truncation: { limit: 5 } as Truncation }).result();
      expect((await engineErrorOf(key)).code).toBe('UNKNOWN_OPTION');
    });
  });
}
