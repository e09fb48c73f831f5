/** When an engine commits the memory of its pages, and who has to wait for it. */
import { describe, expect, it } from 'vitest';
import type { Engine } from './api.ts';
import { openClient } from './client.ts';
import { expectIdle } from './engine.testing.ts';
import { engineConfig } from './engine-config.ts';
import { assembleEngine, type EngineParts } from './engine-parts.ts';
import { FakeRunner, fakeCompletion } from './fake-runner.ts';
import { FakeTime, settled } from './fake-time.testing.ts';
import type { OwnRunnerOptions } from './open-engine.ts';
import { startHost } from './start-host.ts';
import { SLICE_MS } from './storage/commit-ahead.ts';
import { connectInThread } from './transport.ts';

const prompt = Array.from({ length: 20 }, (_, i) => (7 * i) % 61);

interface Opened {
  readonly engine: Engine;
  readonly parts: EngineParts;
  readonly time: FakeTime;
}

/** An engine whose pages take dozens of slices, since each look at the clock moves it. */
async function openBig(options: OwnRunnerOptions = {}): Promise<Opened> {
  const time = new FakeTime(SLICE_MS / 8);
  const config = engineConfig({ pageSize: 4, pages: 4_000, ...options });
  let parts: EngineParts | undefined;
  const start = startHost(async () => {
    parts = await assembleEngine({ runner: new FakeRunner() }, config, time);
    return parts;
  });
  const engine = await openClient(connectInThread(start));
  await settled();
  return { engine, parts: parts as EngineParts, time };
}

describe('commitMemory', () => {
  it('is idle by default: memory is committed a slice at a time while there is nothing to run, and then no timer is left', async () => {
    const { engine, parts, time } = await openBig();
    const { commitAhead } = parts;
    let slices = 0;
    for (let left = commitAhead?.leftBytes ?? 0; commitAhead?.isDone === false; left = commitAhead.leftBytes) {
      expect(time.waiting).toBe(1);
      time.callDue();
      expect(left - commitAhead.leftBytes).toBeLessThan(parts.store.layout.totalBytes / 5);
      slices += 1;
    }
    expect(slices).toBeGreaterThan(10);
    expect(commitAhead?.leftBytes).toBe(0);
    expect(time.waiting).toBe(0);
    await engine.generate({ ids: prompt, maxTokens: 4 }).result();
    await settled();
    expect(commitAhead?.isDone).toBe(true);
    await engine.close();
  });

  it('lets a request go first: nothing is committed from its arrival to its end, and then it goes on', async () => {
    const { engine, parts, time } = await openBig();
    for (let slice = 0; slice < 3; slice += 1) time.callDue();
    const { leftBytes } = parts.commitAhead as { leftBytes: number };
    expect(leftBytes).toBeLessThan(parts.store.layout.totalBytes);
    const seen: number[] = [];
    const ids: number[] = [];
    for await (const delta of engine.generate({ ids: prompt, maxTokens: 8 })) {
      ids.push(...delta.ids);
      if (ids.length < 8) seen.push(time.waiting);
    }
    expect(ids).toEqual(fakeCompletion(prompt, 8));
    expect(seen.length).toBeGreaterThan(3);
    expect(new Set(seen)).toEqual(new Set([0]));
    expect(parts.commitAhead?.leftBytes).toBe(leftBytes);
    await settled();
    time.callDue();
    expect(parts.commitAhead?.leftBytes).toBeLessThan(leftBytes);
    await expectIdle(engine);
    await engine.close();
  });

  it('warms what it was told to before it commits', async () => {
    const { engine, parts } = await openBig();
    const left = parts.commitAhead?.leftBytes;
    await engine.warm([prompt, prompt.slice(3)]);
    expect((await engine.stats()).computedTokens).toBe(37);
    expect(parts.commitAhead?.leftBytes).toBe(left);
    await engine.close();
  });

  it('ends at once with an engine that is closed in the midst of it', async () => {
    const { engine, parts, time } = await openBig();
    time.callDue();
    const left = parts.commitAhead?.leftBytes;
    await engine.close();
    expect(time.waiting).toBe(0);
    time.callDue();
    expect(parts.commitAhead?.leftBytes).toBe(left);
    expect(left).toBeGreaterThan(0);
  });

  it('leaves nothing to be committed when it is open, in turns of the event loop', async () => {
    let turns = 0;
    const count = setInterval(() => {
      turns += 1;
    }, 0);
    const { engine, parts, time } = await openBig({ commitMemory: 'open' });
    clearInterval(count);
    expect(turns).toBeGreaterThan(2);
    expect(parts.commitAhead).toMatchObject({ isDone: true, leftBytes: 0 });
    expect(time.waiting).toBe(0);
    await engine.close();
  });

  it('commits nothing ahead when told never to', async () => {
    const { engine, parts, time } = await openBig({ commitMemory: 'never' });
    expect(parts.commitAhead).toBeUndefined();
    expect(time.waiting).toBe(0);
    await engine.close();
  });
});
