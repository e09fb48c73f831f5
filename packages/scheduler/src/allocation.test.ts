import { createKvCache } from '@octavo/kv';
import { describe, expect, it } from 'vitest';
import { range, submit } from './scheduler.testing.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';

const STEPS = 1_000;
/** At most: compilation, which allocates too, may take its time on a busy machine. */
const WINDOWS = 40;

/** Garbage that a collection would take away: more than anything a window may allocate. */
function strewGarbage(): void {
  for (let at = 0; at < 2_000; at += 1) new Array(16).fill(at);
}

/** A run of `steps` steps of `sequences` decodes; the results are made outside. */
function decodes(sequences: number): (steps: number) => void {
  const kv = createKvCache({ pages: 65 + Math.ceil((sequences * (WINDOWS + 5) * STEPS) / 16), pageSize: 16 });
  const limits = { maxSequences: sequences, tokenBudget: 2_048, maxWaiting: sequences };
  const scheduler: Scheduler = createScheduler({ kv, ...limits, windows: [100] });
  const maxTokens = (WINDOWS + 4) * STEPS;
  for (const at of range(0, sequences)) submit(scheduler, [...range(0, 64), at], { maxTokens });
  const result = { tokens: new Int32Array(sequences), stops: new Uint8Array(sequences) };
  return (steps) => {
    for (let step = 0; step < steps; step += 1) {
      const plan = scheduler.plan()!;
      for (let head = 0; head < plan.headCount; head += 1) result.tokens[head] = (step * 7_919 + head * 31) % 50_000;
      scheduler.commit(plan, result);
    }
  };
}

/** Bytes that the heap grew by in a window without a collection, less what looking at it takes; undefined when one came in between. */
function grownBytes(run: (steps: number) => void): number | undefined {
  strewGarbage();
  const first = process.memoryUsage().heapUsed;
  const start = process.memoryUsage().heapUsed;
  run(STEPS);
  const grown = process.memoryUsage().heapUsed - start - (start - first);
  return grown < -1_000 ? undefined : grown;
}

describe('kv and scheduler after warm-up', () => {
  // 64 first: what happens once a page is compiled by then, and numbers that only the interpreter keeps on the heap are gone.
  it.each([64, 1])('allocate less than a byte a token in 1,000 steps of %i sequences', (sequences) => {
    const run = decodes(sequences);
    run(3 * STEPS);
    // What is allocated for every token shows in every window; compilation and the test's own process do not.
    let fewest = Number.POSITIVE_INFINITY;
    for (let window = 0; window < WINDOWS && fewest >= STEPS * sequences; window += 1) {
      fewest = Math.min(fewest, grownBytes(run) ?? Number.POSITIVE_INFINITY);
    }
    expect(fewest / (STEPS * sequences)).toBeLessThan(1);
  });

  it('would be found to allocate when they did', () => {
    const run = decodes(1);
    const kept: number[][] = [];
    const leaking = (steps: number): void => {
      for (let step = 0; step < steps; step += 1) {
        run(1);
        kept.push([step]);
        if (kept.length > 10) kept.length = 0;
      }
    };
    leaking(3 * STEPS);
    const whole = range(0, 4).map(() => grownBytes(leaking));
    expect(Math.min(...whole.map((bytes) => bytes ?? Number.POSITIVE_INFINITY)) / STEPS).toBeGreaterThan(1);
  });
});
