/** Opening and closing. */
import { expect, it } from 'vitest';
import { engineErrorOf, type OpenModel, temporaryFolder, withEngine } from '../engine.testing.ts';

export function describeLifecycle(open: OpenModel): void {
  it('rejects what runs when it is closed, refuses what comes later, and closes once', async () => {
    const engine = await open();
    const running = engine.generate({ ids: [1, 2, 3], maxTokens: 900, ignoreEos: true });
    for await (const { ids } of {
      [Symbol.asyncIterator]: () => ({ next: () => running[Symbol.asyncIterator]().next() }),
    }) {
      if (ids.length > 0) break;
    }
    const result = running.result();
    result.catch(() => {});
    const closing = engine.close();
    expect(engine.close()).toBe(closing);
    expect((await engineErrorOf(result)).code).toBe('ENGINE_CLOSED');
    await closing;
    for (const late of [
      engine.generate({ ids: [1] }).result(),
      engine.score({ ids: [1] }),
      engine.stats(),
      engine.audit(),
    ]) {
      expect((await engineErrorOf(late)).code).toBe('ENGINE_CLOSED');
    }
    await engine[Symbol.asyncDispose]();
  });

  it('closes an engine that was never used', async () => {
    await (await open()).close();
  });

  it('reports progress while it opens', async () => {
    const seen: string[] = [];
    const cacheFolder = temporaryFolder();
    const engine = await open({ cacheFolder, onProgress: ({ status }) => seen.push(status) });
    await engine.close();
    expect(seen[0]).toBe('read');
    expect(seen.slice(-2)).toEqual(['load', 'ready']);
  });

  it('says what the model is', async () => {
    await withEngine(open(), async ({ info }) => {
      expect(info).toMatchObject({
        weights: 'f32',
        pageSize: 16,
        contextTokens: 1024,
        hasTokenizer: true,
        hasChatTemplate: true,
        notices: [],
      });
      // 16 sequences of 64 pages, and the null page.
      expect(info.pages).toBe(1025);
      expect(info.bytesPerToken).toBe(2 * 4 * 2 * 32 * 4);
    });
  });
}
