import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';

const TRIALS = 12;
const ATTEMPTS = 60;
const WARM_UPS = 8;

/** What is measured: the same number of steps, with few or with many tokens each. */
export interface GrowthCase {
  /** Runs before each measurement, so that it starts from the same state. */
  readonly prepare?: () => void;
  /** Must not be asynchronous: nothing else may run meanwhile. Returns the tokens that it went through. */
  readonly run: (tokensPerStep: number) => number;
}

/**
 * Bytes of heap that each further token costs: the difference between many and few tokens a step, so that what a step or a request costs
 * once is not counted. A measurement with a collection in it is thrown away; none is forced, since a forced one throws compiled code
 * away as well, and code that is not compiled allocates. Of the others the lower quartile counts: compilation, which a busy
 * machine can put off at will, comes on top of some, but what is kept or thrown away for each token is in all of them.
 */
export async function bytesPerToken(growthCase: GrowthCase, few = 1, many = 64): Promise<number> {
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  observer.observe({ entryTypes: ['gc'] });
  const grow = async (tokensPerStep: number): Promise<Growth> => {
    growthCase.prepare?.();
    const before = { collections, heap: process.memoryUsage().heapUsed };
    const tokens = growthCase.run(tokensPerStep);
    const bytes = process.memoryUsage().heapUsed - before.heap;
    await setImmediate();
    await setImmediate();
    return { bytes, tokens, isWhole: collections === before.collections };
  };
  for (let warmUp = 0; warmUp < WARM_UPS; warmUp++) await grow(many);
  const small: Growth[] = [];
  const large: Growth[] = [];
  for (let attempt = 0; attempt < ATTEMPTS && Math.min(small.length, large.length) < TRIALS; attempt++) {
    for (const [trials, tokensPerStep] of [[small, few] as const, [large, many] as const]) {
      const growth = await grow(tokensPerStep);
      if (growth.isWhole) trials.push(growth);
    }
  }
  observer.disconnect();
  const [base, top] = [lowerQuartile(small), lowerQuartile(large)];
  return (top.bytes - base.bytes) / (top.tokens - base.tokens);
}

interface Growth {
  readonly bytes: number;
  readonly tokens: number;
  /** No collection came between. */
  readonly isWhole: boolean;
}

function lowerQuartile(trials: readonly Growth[]): Growth {
  const found = trials.toSorted((a, b) => a.bytes - b.bytes)[Math.floor(TRIALS / 4)];
  if (found === undefined || trials.length < TRIALS)
    throw new Error(`only ${trials.length} measurements ran without a collection`);
  return found;
}
