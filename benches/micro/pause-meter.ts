import { PerformanceObserver, performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';

/** One call, in milliseconds on the clock of `performance`. */
interface Call {
  readonly startMs: number;
  readonly endMs: number;
}

/** The longest of many calls by the clock on the wall, as whoever waits for them sees it. */
export interface Pause {
  readonly ms: number;
  /** How much of that the garbage collector had the thread. */
  readonly collectorMs: number;
  /** The longest call when what the collector had is taken off each. */
  readonly ownMs: number;
}

/** Longest calls that are kept of each kind: more than the collector interrupts in one run. */
const KEPT = 1_000;

/** Times calls, and keeps the longest of each kind. */
export class PauseMeter {
  readonly #longest = new Map<string, Call[]>();
  readonly #collections: Call[] = [];
  readonly #observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      this.#collections.push({ startMs: startTime, endMs: startTime + duration });
  });

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** Runs and times a call. */
  time(kind: string, call: () => void): void {
    const startMs = performance.now();
    call();
    const endMs = performance.now();
    // Shorter ones happen all the time and would only be thrown away again.
    if (endMs - startMs < 0.05) return;
    const calls = this.#longest.get(kind) ?? [];
    this.#longest.set(kind, calls);
    calls.push({ startMs, endMs });
    if (calls.length === 2 * KEPT) calls.sort((a, b) => msOf(b) - msOf(a)).length = KEPT;
  }

  /** The longest call of each kind; 0 when all took less than 50 us. The meter is done with. */
  async end(): Promise<(kind: string) => Pause> {
    // Collections are reported between turns of the event loop, and the calls were all in one.
    await setImmediate();
    await setImmediate();
    this.#observer.disconnect();
    return (kind) => {
      const calls = (this.#longest.get(kind) ?? []).map((call) => ({
        ms: msOf(call),
        collectorMs: this.#collectorMs(call),
      }));
      const longest = calls.reduce((most, call) => (call.ms > most.ms ? call : most), { ms: 0, collectorMs: 0 });
      return { ...longest, ownMs: Math.max(0, ...calls.map(({ ms, collectorMs }) => ms - collectorMs)) };
    };
  }

  #collectorMs(call: Call): number {
    const overlaps = this.#collections.map(
      ({ startMs, endMs }) => Math.min(endMs, call.endMs) - Math.max(startMs, call.startMs),
    );
    return overlaps.reduce((sum, overlap) => sum + Math.max(0, overlap), 0);
  }
}

function msOf({ startMs, endMs }: Call): number {
  return endMs - startMs;
}
