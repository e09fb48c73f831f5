/** Requests that end before they are through give everything back. */
import { expect, it } from 'vitest';
import { completeAll, expectGoldens, type OpenModel, shopkeeper, until, withEngine } from '../engine.testing.ts';

export function describeAborts(open: OpenModel): void {
  const [, golden] = shopkeeper.goldens as [unknown, (typeof shopkeeper.goldens)[number]];
  const reason = new Error('changed my mind');
  const request = { ids: golden.ids, maxTokens: 400, ignoreEos: true };

  it('rejects with the reason of a signal that has already fired', async () => {
    await withEngine(open(), async (engine) => {
      await expect(engine.generate({ ...request, signal: AbortSignal.abort(reason) }).result()).rejects.toBe(reason);
      expect((await engine.stats()).steps).toBe(0);
    });
  });

  it('ends a prefill half-way, and serves what comes after it', async () => {
    await withEngine(open({ tokenBudget: 4 }), async (engine) => {
      const controller = new AbortController();
      // 225 steps of prefill: an abort after a few comes in the middle, however busy the machine is.
      const ids = new Array<number>(900).fill(5);
      const early = engine.generate({ ids, maxTokens: 100, ignoreEos: true, signal: controller.signal }).result();
      early.catch(() => {});
      await until(async () => (await engine.stats()).steps >= 3);
      controller.abort(reason);
      await expect(early).rejects.toBe(reason);
      expect((await engine.stats()).steps).toBeLessThan(225);
      expectGoldens(await completeAll(engine, [golden]), [golden]);
    });
  });

  it('ends a decode half-way, and leaves the others alone', async () => {
    await withEngine(open(), async (engine) => {
      const controller = new AbortController();
      const survivor = completeAll(engine, [golden]);
      const late = engine.generate({ ...request, signal: controller.signal });
      let seen = 0;
      const reading = (async () => {
        for await (const { ids } of late) {
          seen += ids.length;
          if (seen >= 3) controller.abort(reason);
        }
      })();
      await expect(reading).rejects.toBe(reason);
      await expect(late.result()).rejects.toBe(reason);
      expect(seen).toBeLessThan(request.maxTokens);
      expectGoldens(await survivor, [golden]);
    });
  });

  it('ends quietly with what there is when the reader leaves, or when abort is called', async () => {
    await withEngine(open(), async (engine) => {
      const left = engine.generate(request);
      for await (const { ids } of left) if (ids.length > 0) break;
      const result = await left.result();
      expect(result.finishReason).toBe('abort');
      expect(result.ids.length).toBeLessThan(request.maxTokens);
      expect(result.ids.slice(0, 48)).toEqual(golden.greedy.slice(0, result.ids.length));

      const aborted = engine.generate(request);
      aborted.abort();
      expect((await aborted.result()).finishReason).toBe('abort');
    });
  });

  it('ends a warming by its signal', async () => {
    await withEngine(open({ tokenBudget: 8 }), async (engine) => {
      const controller = new AbortController();
      const warming = engine.warm(
        shopkeeper.goldens.map(({ ids }) => ids),
        { signal: controller.signal },
      );
      warming.catch(() => {});
      await until(async () => (await engine.stats()).steps >= 2);
      controller.abort(reason);
      await expect(warming).rejects.toBe(reason);
    });
  });
}
