/** Detectors in an engine, on the fake model. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Engine } from '../api.ts';
import { expectIdle } from '../engine.testing.ts';
import { FakeRunner, fakeCompletion } from '../fake-runner.ts';
import { openEngineWith } from '../open-engine.ts';
import type { ContextDetector } from './context-detector.ts';
import { similarity } from './similarity.ts';
import { tagSets } from './tag-sets.ts';

const engines: Engine[] = [];
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

async function openFake(contextDetector: ContextDetector): Promise<Engine> {
  const engine = await openEngineWith({ runner: new FakeRunner() }, { pageSize: 4, pages: 64, contextDetector });
  engines.push(engine);
  return engine;
}

const run = (first: number, count: number) => Array.from({ length: count }, (_, i) => (first + 7 * i) % 61);
const ask = (engine: Engine, ids: readonly number[], more: object = {}) =>
  engine.generate({ ids, maxTokens: 2, session: 's', ...more }).result();

describe('an engine with a context detector', () => {
  it('drops what only the session used when its next prompt is about something else', async () => {
    const engine = await openFake(similarity());
    await ask(engine, run(1, 20));
    await ask(engine, [...run(1, 20), 3, 4]);
    const before = await engine.cache.stats();
    expect(before.sessions).toBe(1);
    // Another order of the same tokens: no run of four is the same.
    const other = [...run(1, 20)].reverse();
    const { usage } = await ask(engine, other);
    expect(usage.cachedTokens).toBe(0);
    expect((await engine.stats()).kv.removedPages).toBeGreaterThan(4);
    const again = await ask(engine, run(1, 20), { session: 't' });
    expect(again.usage).toMatchObject({ cachedTokens: 0, missReason: 'invalidated' });
    await expectIdle(engine);
  });

  it('keeps what others use, and what goes on', async () => {
    const engine = await openFake(tagSets());
    await ask(engine, run(1, 20), { tags: ['repo:billing'] });
    await ask(engine, run(1, 20), { session: 'other' });
    await ask(engine, run(30, 20), { tags: ['repo:shop'] });
    const kept = await ask(engine, run(1, 20), { session: 'other' });
    expect(kept.usage.cachedTokens).toBe(19);
  });

  it('is asked from the second request on, with what the first one said, and not about requests without a session', async () => {
    const seen: unknown[] = [];
    const engine = await openFake(({ session, salt, ids, tags, previous }) => {
      seen.push({ session, salt, ids: [...ids], tags, previous: [...previous.ids], before: previous.tags });
      return false;
    });
    // At once: they are looked at in their order all the same.
    const asked = [
      ask(engine, [1, 2], { tags: ['a'], salt: 'x' }),
      ask(engine, [3, 4], { tags: ['b'], context: ['c'], salt: 'x' }),
      ask(engine, [5, 6], { salt: 'y' }),
      engine.generate({ ids: [7, 8], maxTokens: 2 }).result(),
    ];
    const results = await Promise.all(asked);
    expect(results.map(({ ids }) => ids)).toEqual(
      [
        [1, 2],
        [3, 4],
        [5, 6],
        [7, 8],
      ].map((ids) => fakeCompletion(ids, 2)),
    );
    expect(seen).toEqual([{ session: 's', salt: 'x', ids: [3, 4], tags: ['b', 'c'], previous: [1, 2], before: ['a'] }]);
  });

  it('rejects the request with what the detector threw, and goes on', async () => {
    const failure = new Error('cannot tell');
    let isBroken = true;
    const engine = await openFake(() => {
      if (isBroken) throw failure;
      return false;
    });
    await ask(engine, [1, 2]);
    await expect(ask(engine, [1, 2])).rejects.toBe(failure);
    isBroken = false;
    expect((await ask(engine, [1, 2])).ids).toEqual(fakeCompletion([1, 2], 2));
  });

  it('ends a request that is aborted while the detector thinks', async () => {
    let release = () => {};
    const thinking = new Promise<boolean>((resolve) => {
      release = () => resolve(false);
    });
    const engine = await openFake(() => thinking);
    await ask(engine, [1, 2]);
    const controller = new AbortController();
    const quiet = engine.generate({ ids: [3, 4], session: 's' });
    const signalled = ask(engine, [5, 6], { signal: controller.signal });
    quiet.abort();
    controller.abort(new Error('no more'));
    await expect(signalled).rejects.toThrow('no more');
    release();
    expect(await quiet.result()).toMatchObject({ ids: [], finishReason: 'abort' });
    await expectIdle(engine);
  });
});
