import { describe, expect, it } from 'vitest';
import type { TextDelta } from './api.ts';
import { GenerationBuffer } from './generation.ts';
import type { Outcome } from './protocol.ts';

const outcome: Outcome = {
  finishReason: 'length',
  usage: {
    promptTokens: 1,
    cachedTokens: 0,
    cachedFrom: { memory: 0, file: 0 },
    computedTokens: 1,
    recomputedTokens: 0,
    completionTokens: 2,
    preemptions: 0,
    storedTokens: 0,
    missReason: 'cold',
  },
  timings: { queueMs: 1, ttftMs: 2, totalMs: 3, perTokenMs: 1 },
};

function newBuffer(hasText = true) {
  let aborts = 0;
  const buffer = new GenerationBuffer({ abort: () => (aborts += 1), seed: 5, hasText });
  return { buffer, aborts: () => aborts };
}

async function readAll(buffer: GenerationBuffer): Promise<TextDelta[]> {
  const deltas: TextDelta[] = [];
  for await (const delta of buffer) deltas.push(delta);
  return deltas;
}

describe('GenerationBuffer', () => {
  it('wakes a reader for each delta, and merges what came while it was away', async () => {
    const { buffer } = newBuffer();
    const iterator = buffer[Symbol.asyncIterator]();
    const first = iterator.next();
    buffer.push([1], 'a');
    expect(await first).toEqual({ done: false, value: { ids: [1], text: 'a' } });
    buffer.push([2], '');
    buffer.push([3], 'bc');
    expect(await iterator.next()).toEqual({ done: false, value: { ids: [2, 3], text: 'bc' } });
    buffer.push([], 'd');
    buffer.end(outcome);
    expect(await iterator.next()).toEqual({ done: false, value: { ids: [], text: 'd' } });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(await buffer.result()).toEqual({ ids: [1, 2, 3], text: 'abcd', seed: 5, ...outcome });
  });

  it('has no text without a tokenizer, and an empty one with it when nothing came', async () => {
    const silent = newBuffer(false).buffer;
    silent.push([1], '');
    silent.end(outcome);
    expect(await readAll(silent)).toEqual([{ ids: [1] }]);
    expect('text' in (await silent.result())).toBe(false);
    const empty = newBuffer().buffer;
    empty.end(outcome);
    expect(await empty.result()).toMatchObject({ ids: [], text: '' });
  });

  it('goes on for a second reader where the first one stopped', async () => {
    const { buffer } = newBuffer();
    buffer.push([1], 'a');
    await buffer[Symbol.asyncIterator]().next();
    buffer.push([2], 'b');
    buffer.end(outcome);
    expect(await readAll(buffer)).toEqual([{ ids: [2], text: 'b' }]);
  });

  it('gives what came before a failure and then the failure; after a cancellation only that', async () => {
    const failure = new Error('broken');
    const failed = newBuffer().buffer;
    failed.push([1], 'a');
    failed.fail(failure);
    const iterator = failed[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toEqual({ ids: [1], text: 'a' });
    await expect(iterator.next()).rejects.toBe(failure);
    await expect(failed.result()).rejects.toBe(failure);

    const cancelled = newBuffer().buffer;
    cancelled.push([1], 'a');
    cancelled.cancel(failure);
    await expect(readAll(cancelled)).rejects.toBe(failure);
  });

  it('aborts when its reader leaves, once, and not after its end', async () => {
    const left = newBuffer();
    left.buffer.push([1], 'a');
    for await (const _ of left.buffer) break;
    expect(left.aborts()).toBe(1);

    const ended = newBuffer();
    ended.buffer.end(outcome);
    ended.buffer.abort();
    await ended.buffer[Symbol.asyncIterator]().return?.();
    expect(ended.aborts()).toBe(0);
  });

  it('ignores what comes after its end', async () => {
    const { buffer } = newBuffer();
    buffer.end(outcome);
    buffer.push([9], 'z');
    buffer.fail(new Error('late'));
    expect(await buffer.result()).toMatchObject({ ids: [] });
    expect(await readAll(buffer)).toEqual([]);
  });

  it('leaves no unhandled rejection when nobody asks for the result', async () => {
    const seen: unknown[] = [];
    const listener = (reason: unknown) => seen.push(reason);
    process.on('unhandledRejection', listener);
    newBuffer().buffer.fail(new Error('nobody cares'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    process.off('unhandledRejection', listener);
    expect(seen).toEqual([]);
  });
});
