import { describe, expect, it } from 'vitest';
import { delayAfter, pause, retryAfterMs } from './retry.ts';

describe('retryAfterMs', () => {
  it('reads seconds and dates, and nothing else', () => {
    const now = Date.UTC(2026, 0, 1);
    expect(retryAfterMs('3', now)).toBe(3000);
    expect(retryAfterMs(new Date(now + 5000).toUTCString(), now)).toBe(5000);
    expect(retryAfterMs(new Date(now - 5000).toUTCString(), now)).toBe(0);
    expect(retryAfterMs('soon', now)).toBeUndefined();
    expect(retryAfterMs(null, now)).toBeUndefined();
  });
});

describe('delayAfter', () => {
  it('doubles from the first to the longest', () => {
    const policy = { attempts: 9, firstDelayMs: 100, mostDelayMs: 500 };
    expect([1, 2, 3, 4, 5].map((failures) => delayAfter(failures, policy))).toEqual([100, 200, 400, 500, 500]);
  });
});

describe('pause', () => {
  it('ends with the reason of the signal', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('enough')), 5);
    await expect(pause(60_000, stop.signal)).rejects.toThrow('enough');
  });
});
