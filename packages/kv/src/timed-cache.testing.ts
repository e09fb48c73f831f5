import { cacheOf } from './cache.testing.ts';
import type { AcquireRequest, KvCache, KvOptions } from './kv-cache.ts';
import type { ClaimOptions } from './lifetimes.ts';

export interface Timed {
  readonly cache: KvCache;
  readonly pass: (ms: number) => void;
}

/** Pages of 4 tokens on a clock of the test's own. */
export function timed(index: 'radix' | 'linear', options: Partial<KvOptions> = {}): Timed {
  let nowMs = 1_000;
  const cache = cacheOf({ index, pages: 30, clock: () => nowMs, ...options });
  return {
    cache,
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

/** A claim as a field of a request. */
export function claim(options: ClaimOptions): Partial<AcquireRequest> {
  return { claim: options };
}
