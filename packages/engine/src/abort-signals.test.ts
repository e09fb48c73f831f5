import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { AbortSignals } from './abort-signals.ts';

describe('AbortSignals', () => {
  it('calls everybody who waits for a signal, once, with its reason', () => {
    const signals = new AbortSignals();
    const controller = new AbortController();
    const seen: unknown[] = [];
    for (let i = 0; i < 3; i += 1) signals.on(controller.signal, (reason) => seen.push([i, reason]));
    controller.abort('enough');
    controller.abort('again');
    expect(seen).toEqual([
      [0, 'enough'],
      [1, 'enough'],
      [2, 'enough'],
    ]);
  });

  it('listens once to a signal, and not at all when nobody waits any more', () => {
    const signals = new AbortSignals();
    const { signal } = new AbortController();
    const stops = Array.from({ length: 100 }, () => signals.on(signal, () => {}));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    for (const stop of stops) stop();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    signals.on(signal, () => {});
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  });

  it('does not call who stopped waiting while others were called', () => {
    const signals = new AbortSignals();
    const controller = new AbortController();
    const seen: string[] = [];
    const stopSecond: { stop?: () => void } = {};
    signals.on(controller.signal, () => {
      seen.push('first');
      stopSecond.stop?.();
    });
    stopSecond.stop = signals.on(controller.signal, () => seen.push('second'));
    controller.abort();
    expect(seen).toEqual(['first']);
  });

  it('takes no signal for one that never fires', () => {
    expect(new AbortSignals().on(undefined, () => {})()).toBeUndefined();
  });
});
