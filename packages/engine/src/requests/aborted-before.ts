import type { CompleteMessage, Outcome } from '../protocol.ts';

/** The end of a request that was aborted before it became a sequence. Pure. */
export function abortedBefore({ submittedMs }: CompleteMessage, nowMs: number): Outcome {
  const waitedMs = nowMs - submittedMs;
  return {
    finishReason: 'abort',
    usage: {
      promptTokens: 0,
      cachedTokens: 0,
      cachedFrom: { memory: 0, file: 0 },
      computedTokens: 0,
      recomputedTokens: 0,
      completionTokens: 0,
      preemptions: 0,
      storedTokens: 0,
      missReason: 'none',
    },
    timings: { queueMs: waitedMs, ttftMs: waitedMs, totalMs: waitedMs, perTokenMs: 0 },
  };
}
