/** Completions that outlive the context, on the fake model, whose tokens can be foretold. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, GenerateRequest } from './api.ts';
import { expectIdle } from './engine.testing.ts';
import { FakeRunner, fakeCompletion } from './fake-runner.ts';
import { type OwnRunnerOptions, openEngineWith } from './open-engine.ts';
import { keepHeadAndTail } from './truncation/head-and-tail.ts';

const engines: Engine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

async function openFake(options: OwnRunnerOptions = {}): Promise<Engine> {
  const engine = await openEngineWith(
    { runner: new FakeRunner() },
    { pageSize: 4, pages: 64, contextTokens: 64, verifyPlans: true, ...options },
  );
  engines.push(engine);
  return engine;
}

const prompt = Array.from({ length: 20 }, (_, i) => (7 * i) % 61);

/** What a window of 64 tokens that keeps 8 of the head yields: pieces of plain completions over shortened streams. */
function foretold(count: number): { readonly ids: number[]; readonly segments: number } {
  const stream = [...prompt];
  let window = [...prompt];
  let segments = 0;
  while (stream.length < prompt.length + count) {
    segments += 1;
    const piece = fakeCompletion(window, Math.min(64 - window.length, prompt.length + count - stream.length));
    stream.push(...piece);
    window = Array.from(keepHeadAndTail(Uint32Array.from(stream), { limitTokens: 32, headTokens: 8 }));
  }
  return { ids: stream.slice(prompt.length), segments };
}

const sliding = (more: Partial<GenerateRequest> = {}) =>
  ({ ids: prompt, maxTokens: 150, truncation: { headTokens: 8, whileGenerating: 'slide' }, ...more }) as const;

describe('a window that slides', () => {
  it.each<OwnRunnerOptions>([{}, { sharing: false }, { kvCache: false }, { tokenBudget: 5 }])(
    'goes on over the head and the recent half of the context, to the token, with %o',
    async (options) => {
      const engine = await openFake(options);
      const { ids, segments } = foretold(150);
      expect(segments).toBeGreaterThan(3);
      const result = await engine.generate(sliding()).result();
      expect(result.ids).toEqual(ids);
      expect(result.finishReason).toBe('length');
      expect(result.usage).toMatchObject({ promptTokens: 20, computedTokens: 20, completionTokens: 150 });
      expect(result.usage.dropped?.windowTokens).toBeGreaterThan(100);
      await expectIdle(engine);
    },
  );

  it('stops at the context unless told otherwise', async () => {
    const engine = await openFake();
    const result = await engine.generate({ ids: prompt, maxTokens: 150 }).result();
    expect(result.ids).toEqual(fakeCompletion(prompt, 44));
    expect(result.usage.dropped).toBeUndefined();
  });

  it('publishes nothing after its first slide', async () => {
    const engine = await openFake();
    await engine.generate(sliding({ maxTokens: 44 })).result();
    const before = (await engine.stats()).kv.publishedPages;
    await engine.generate(sliding()).result();
    expect((await engine.stats()).kv.publishedPages).toBe(before);
  });

  it('gives the same tokens beside others in the batch, and ends at once when aborted', async () => {
    const engine = await openFake();
    const { ids } = foretold(150);
    const generation = engine.generate(sliding({ maxTokens: 100_000 }));
    const together = await Promise.all([engine.generate(sliding()).result(), engine.generate(sliding()).result()]);
    for (const result of together) expect(result.ids).toEqual(ids);
    generation.abort();
    const aborted = await generation.result();
    expect(aborted.finishReason).toBe('abort');
    expect(aborted.ids.slice(0, 150)).toEqual(ids.slice(0, aborted.ids.length));
    await expectIdle(engine);
  });

  it('draws with random numbers of the whole stream: sampled tokens do not repeat with the window', async () => {
    const engine = await openFake();
    const drawn = { temperature: 1, seed: 5 } as const;
    const whole = await engine.generate(sliding(drawn)).result();
    const again = await engine.generate(sliding(drawn)).result();
    expect(again.ids).toEqual(whole.ids);
    expect(new Set([whole.ids.slice(0, 30).join(), whole.ids.slice(60, 90).join()]).size).toBe(2);
  });
});
