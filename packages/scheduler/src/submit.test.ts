import { createKvCache } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import { codeOf, drain, range, request, steps, submit, worldOf } from './scheduler.testing.ts';
import { createScheduler } from './scheduler.ts';
import type { SchedulerOptions } from './scheduler-options.ts';

const LIMITS = { maxSequences: 4, tokenBudget: 16, maxWaiting: 4 };

describe('Scheduler.submit', () => {
  it('refuses what can never fit, with the pages it would need and the pages there are', () => {
    const { scheduler } = worldOf({ pages: 11, watermarkPages: 2 });
    // 30 + 4 - 1 = 33 tokens: the last sampled token needs no page.
    expect(scheduler.submit(request(range(0, 30), { maxTokens: 4 }))).toEqual({
      ok: false,
      reason: 'too-long',
      needed: 9,
      available: 8,
    });
    expect(scheduler.waitingCount).toBe(0);
  });

  it('accepts what fits exactly, and runs it to its end', () => {
    const world = worldOf({ pages: 11, watermarkPages: 2 });
    const id = submit(world.scheduler, range(0, 30), { maxTokens: 3 });
    expect(drain(world.scheduler, world.executor).get(id)?.tokens).toHaveLength(33);
  });

  it('refuses when maxWaiting sequences wait, with both numbers, and takes more when some were admitted', () => {
    const world = worldOf({ maxWaiting: 2, maxSequences: 1 });
    submit(world.scheduler, [1]);
    submit(world.scheduler, [2]);
    const answer = world.scheduler.submit(request([3]));
    expect(answer).toEqual({ ok: false, reason: 'queue-full', needed: 3, available: 2 });
    steps(world, 1);
    expect(world.scheduler.submit(request([3]))).toMatchObject({ ok: true });
  });

  it.each([
    ['an empty prompt', { prompt: [] }],
    ['no tokens to generate', { maxTokens: 0 }],
    ['half a token to generate', { maxTokens: 1.5 }],
    ['a priority that is no number', { priority: Number.NaN }],
    ['the logits of a prompt that may be cached', { logits: 'all' as const }],
    // From JavaScript; found in `plan`, they would stop everybody's steps.
    ['a mode that is none', { mode: 'cached' }],
    ['logits that are none', { logits: 'some' }],
    ['a salt that is no text', { salt: undefined }],
  ])('rejects %s', (_, { prompt = [1], ...more }: { prompt?: number[] } & object) => {
    const { scheduler } = worldOf();
    expect(codeOf(() => scheduler.submit(request(prompt, more)))).toBe('INVALID_REQUEST');
    expect(scheduler.waitingCount).toBe(0);
  });

  it.each<[string, object]>([
    ['no sequences', { maxSequences: 0 }],
    ['a negative budget', { tokenBudget: -1 }],
    ['half a place to wait', { maxWaiting: 0.5 }],
    ['a long chunk of one token', { longChunkTokens: 1 }],
    ['no steps of prompts in turn', { promptStepsInTurn: 0 }],
    ['a watermark of the whole pool', { watermarkPages: 9 }],
    ['a negative watermark', { watermarkPages: -1 }],
    ['a window of no tokens', { windows: [16, 0] }],
    ['costs that are no whole numbers', { attentionCosts: { gather: 0.1, score: 1, level: 1, merge: 1 } }],
    ['an unknown option', { pageBudget: 3 }],
    ['no cache', { kv: undefined }],
    ['a way of attention that is none', { attention: 'shared' }],
    ['checks that are none', { checks: 'sometimes' }],
  ])('rejects options with %s', (_, more) => {
    const kv = createKvCache({ pages: 10, pageSize: 4 });
    const options = { kv, ...LIMITS, ...more } as SchedulerOptions;
    expect(codeOf(() => createScheduler(options))).toBe('INVALID_OPTION');
  });

  it('keeps 1 % of the pages free by default', () => {
    const kv = createKvCache({ pages: 1_001, pageSize: 4 });
    expect(createScheduler({ kv, ...LIMITS }).maxSequencePages).toBe(990);
  });
});
