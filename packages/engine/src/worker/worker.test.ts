/** What only a thread of its own can promise: the caller's event loop stays free, and the process ends when the engine is closed. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { completeAll, shopkeeper, temporaryFolder } from '../engine.testing.ts';
import { openEngine } from '../open-engine.ts';

describe('a worker', () => {
  it('leaves the event loop of its caller free while 16 sequences decode', async () => {
    const engine = await openEngine(shopkeeper.folder, { cacheFolder: temporaryFolder() });
    const before = performance.eventLoopUtilization();
    const requests = shopkeeper.goldens.slice(0, 16).map(({ ids }) => ({ ids, greedy: new Array<number>(80).fill(0) }));
    await completeAll(engine, requests);
    const { utilization } = performance.eventLoopUtilization(before);
    await engine.close();
    // In this thread, a run would keep it busy for nearly all of the time, whatever else the machine does.
    expect(utilization).toBeLessThan(0.4);
  });

  it('lets the process end by itself after close, also when the close came in the middle of a step', async () => {
    const library = new URL('../../dist/index.js', import.meta.url).href;
    const script = `
      const { openEngine } = await import(${JSON.stringify(library)});
      const options = { cacheFolder: ${JSON.stringify(temporaryFolder())} };
      const engine = await openEngine(${JSON.stringify(shopkeeper.folder)}, options);
      const running = Array.from({ length: 8 }, (_, i) =>
        engine.generate({ ids: [1, 5 + i], maxTokens: 900, ignoreEos: true }));
      const ended = Promise.allSettled(running.map((generation) => generation.result()));
      await running[0][Symbol.asyncIterator]().next();
      await engine.close();
      const codes = (await ended).map(({ reason }) => reason?.code);
      console.log(JSON.stringify([...new Set(codes)]));`;
    const args = ['--input-type=module', '--eval', script];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      env: { ...process.env, NODE_OPTIONS: '' },
      timeout: 30_000,
    });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual(['ENGINE_CLOSED']);
  });
});
