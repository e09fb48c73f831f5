/** What goes wrong, on the fake model: runs that fail, laws that break, pools that are too small, threads that die. */
import type { TextCodec } from '@octavo/text';
import { afterEach, describe, expect, it } from 'vitest';
import type { Engine, GenerateResult } from './api.ts';
import { openClient } from './client.ts';
import { engineErrorOf, expectIdle } from './engine.testing.ts';
import { FakeRunner, type FakeRunnerOptions, fakeCompletion } from './fake-runner.ts';
import { type OwnRunnerOptions, openEngineWith } from './open-engine.ts';
import { connectWorker } from './worker/connect-worker.ts';

const prompt = Array.from({ length: 20 }, (_, i) => (7 * i) % 61);
const engines: Engine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

async function openFake(runner: FakeRunnerOptions = {}, options: OwnRunnerOptions = {}) {
  const fake = new FakeRunner(runner);
  const engine = await openEngineWith({ runner: fake }, { pageSize: 4, pages: 64, verifyPlans: true, ...options });
  engines.push(engine);
  return { engine, fake };
}

function complete(engine: Engine, ids: readonly number[], maxTokens: number): Promise<GenerateResult> {
  return engine.generate({ ids, maxTokens }).result();
}

describe('an engine whose run fails', () => {
  it('ends the sequences of that step with the cause, serves the others, and gets the pages back', async () => {
    const failure = new Error('the processor is on fire');
    const { engine } = await openFake({
      beforeRun: (run) => {
        if (run === 1) throw failure;
      },
    });
    const together = [complete(engine, prompt, 5), complete(engine, [1, 2, 3], 5)];
    for (const failed of together) {
      const error = await engineErrorOf(failed);
      expect(error.code).toBe('RUN_FAILED');
      expect(error.message).toBe('The runtime failed in a step of this request: the processor is on fire');
      expect(error.cause).toContain('the processor is on fire');
    }
    await expectIdle(engine);
    expect((await complete(engine, prompt, 5)).ids).toEqual(fakeCompletion(prompt, 5));
    await expectIdle(engine);
  });

  it('rejects calls too, and goes on', async () => {
    const { engine } = await openFake({
      beforeRun: (run) => {
        if (run < 2) throw new Error(`run ${run} failed`);
      },
    });
    expect((await engineErrorOf(engine.score({ ids: prompt }))).code).toBe('RUN_FAILED');
    expect((await engineErrorOf(engine.warm([prompt, [1, 2, 3]]))).code).toBe('RUN_FAILED');
    expect(await engine.warm([prompt, [1, 2, 3]])).toMatchObject({ warmed: 2, computedTokens: 23 });
    await expectIdle(engine);
  });

  it('gives the reader what came before the failure, then the failure', async () => {
    const { engine } = await openFake({
      beforeRun: (run) => {
        if (run === 3) throw new Error('enough');
      },
    });
    const generation = engine.generate({ ids: prompt, maxTokens: 9 });
    const ids: number[] = [];
    const reading = (async () => {
      for await (const delta of generation) ids.push(...delta.ids);
    })();
    expect((await engineErrorOf(reading)).code).toBe('RUN_FAILED');
    expect(ids).toEqual(fakeCompletion(prompt, 3));
  });
});

describe('an engine whose tokenizer fails', () => {
  it('ends that request alone, and gets its pages back', async () => {
    const failing = {
      vocabularyCount: 61,
      hasChatTemplate: false,
      notices: [],
      newDetokenizer: () => ({
        push: (token: number) => {
          if (token === fakeCompletion(prompt, 3)[2]) throw new Error('no such token');
          return 'x';
        },
        flush: () => '',
      }),
    } as unknown as TextCodec;
    const engine = await openEngineWith({ runner: new FakeRunner(), text: failing }, { pageSize: 4, pages: 64 });
    engines.push(engine);
    const [doomed, other] = await Promise.allSettled([complete(engine, prompt, 8), complete(engine, [5, 6], 2)]);
    expect(doomed).toMatchObject({ status: 'rejected', reason: { code: 'REQUEST_FAILED', message: 'no such token' } });
    expect(other).toMatchObject({ status: 'fulfilled', value: { ids: fakeCompletion([5, 6], 2), text: 'xx' } });
    await expectIdle(engine);
  });
});

describe('an engine whose law is broken', () => {
  it('stops loudly: everything that is open is rejected, and whatever comes later', async () => {
    const { engine, fake } = await openFake();
    // Rows of another token stream than the pages say: what a wrong copy or a page shared by mistake looks like.
    const run = fake.run.bind(fake);
    fake.run = async (...args) => {
      const outputs = await run(...args);
      return { ...outputs, newKeys: outputs.newKeys.map((element) => element + 1) };
    };
    const open = [complete(engine, prompt, 5), complete(engine, [1, 2, 3], 5)];
    for (const failed of open) {
      const error = await engineErrorOf(failed);
      expect(error.code).toBe('INVARIANT_BROKEN');
      expect(error.message).toMatch(
        /^Broken invariant: slot \d+ holds no row .* The engine stops; please report this\.$/,
      );
    }
    for (const late of [complete(engine, prompt, 5), engine.stats(), engine.audit(), engine.tokenize('a')]) {
      expect((await engineErrorOf(late)).code).toBe('INVARIANT_BROKEN');
    }
    await engine.close();
    expect(fake.disposed).toBe(true);
  });

  it('reports in an audit that the null page was written', async () => {
    const { engine, fake } = await openFake();
    const run = fake.run.bind(fake);
    fake.run = async (...args) => {
      const outputs = await run(...args);
      (args[1].keys.elements[0] as Float32Array)[0] = 1;
      return outputs;
    };
    await complete(engine, prompt, 2);
    expect(await engine.audit()).toEqual(['null page: the key pool of layer 0, head 0 is not zero at element 0']);
  });
});

describe('an engine with limits', () => {
  it('refuses what can never be in the pool, with both numbers', async () => {
    const { engine } = await openFake({}, { pages: 8 });
    const error = await engineErrorOf(complete(engine, prompt, 30));
    expect(error.code).toBe('PROMPT_OVER_POOL');
    // 20 prompt tokens and 29 of the completion (the last one is never run) in pages of 4.
    expect(error.details).toEqual({ neededPages: 13, availablePages: 7, promptTokens: 20, maxTokens: 30 });
    expect(error.message).toContain('need 13 pages, and a sequence can have 7');
    // Nobody asked for a number of tokens: as many as the pool has room for.
    const result = await engine.generate({ ids: prompt }).result();
    expect(result.ids).toEqual(fakeCompletion(prompt, 9));
    await expectIdle(engine);
  });

  it('refuses when too many wait, and serves those that do', async () => {
    const { engine } = await openFake({}, { maxWaiting: 2, maxSequences: 1 });
    const submitted = [1, 2, 3, 4].map((token) => complete(engine, [token, 5, 6], 4));
    const outcomes = await Promise.allSettled(submitted);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
    const error = await engineErrorOf(submitted[3] as Promise<unknown>);
    expect(error).toMatchObject({ code: 'QUEUE_FULL', details: { maxWaiting: 2 } });
    await expectIdle(engine);
  });

  it('warms more prompts than may wait', async () => {
    const { engine } = await openFake({}, { maxWaiting: 4, maxSequences: 2 });
    const prompts = Array.from({ length: 30 }, (_, i) => [i, i + 1, i + 2, i + 3, 60]);
    expect(await engine.warm(prompts)).toMatchObject({ warmed: 30, computedTokens: 150 });
    expect((await engine.stats()).kv.publishedPages).toBe(60);
  });

  it('warms nothing where nothing could be kept', async () => {
    const { engine } = await openFake({}, { sharing: false });
    expect(await engine.warm([prompt])).toMatchObject({ warmed: 0, computedTokens: 0 });
  });

  it('serves the higher priority first', async () => {
    const { engine } = await openFake({}, { maxSequences: 1 });
    const order: number[] = [];
    const ask = async (priority: number) => {
      await engine.generate({ ids: [priority, 1, 2], maxTokens: 3, priority }).result();
      order.push(priority);
    };
    await Promise.all([1, 3, 2].map(ask));
    expect(order).toEqual([3, 2, 1]);
  });

  it('keeps the prompts of different salts apart, and shares within one', async () => {
    const { engine } = await openFake();
    const cached: number[] = [];
    for (const salt of ['a', 'b', 'a'])
      cached.push((await engine.generate({ ids: prompt, maxTokens: 1, salt }).result()).usage.cachedTokens);
    expect(cached).toEqual([0, 0, 19]);
    const bypass = await engine.generate({ ids: prompt, maxTokens: 1, salt: 'a', cache: 'bypass' }).result();
    expect(bypass.usage).toMatchObject({ cachedTokens: 0, missReason: 'bypass' });
  });
});

describe('a worker', () => {
  const start = { model: { folder: '' }, config: {} } as Parameters<typeof connectWorker>[0];
  const info = JSON.stringify({ shape: { vocabulary: 9 }, hasTokenizer: false });
  const entryOf = (source: string) =>
    new URL(
      `data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads'; ${source}`)}`,
    );

  it('that dies rejects everything with its error, and can still be closed', async () => {
    const entry = entryOf(`
      parentPort.postMessage({ type: 'opened', info: ${info} });
      parentPort.on('message', () => { throw new Error('out of luck'); });`);
    const engine = await openClient(connectWorker(start, entry));
    for (const failed of [complete(engine, [1, 2], 3), engine.stats()]) {
      const error = await engineErrorOf(failed);
      expect(error).toMatchObject({ code: 'WORKER_DIED', details: { exitCode: 1 } });
      expect(error.message).toContain('out of luck');
    }
    expect((await engineErrorOf(engine.audit())).code).toBe('WORKER_DIED');
    await engine.close();
  });

  it('that dies while it opens rejects the opening', async () => {
    const error = await engineErrorOf(openClient(connectWorker(start, entryOf('process.exit(3)'))));
    expect(error).toMatchObject({ code: 'WORKER_DIED', details: { exitCode: 3 } });
  });
});
