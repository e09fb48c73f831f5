import { PerformanceObserver, performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';

/** One call: when it began and ended, in milliseconds on the clock of `performance`, and what it took of processors. */
interface Call {
  readonly startMs: number;
  readonly endMs: number;
  readonly processorMs: number;
}

/** What is known of the longest of many calls. */
export interface Pause {
  /** By the clock on the wall, as whoever waits for it sees it. */
  readonly ms: number;
  /** How much of that the garbage collector had the thread. */
  readonly collectorMs: number;
  /** What all threads of the process took of processors meanwhile: much less than `ms` when somebody else had the processor. */
  readonly processorMs: number;
  /** The most that any call took of processors: what is left of `ms` on a machine that does nothing else. */
  readonly mostProcessorMs: number;
}

/** Times calls, and keeps the longest of each kind. */
export class PauseMeter {
  readonly #longest = new Map<string, Call>();
  readonly #mostProcessorMs = new Map<string, number>();
  readonly #collections: { readonly startMs: number; readonly endMs: number }[] = [];
  readonly #observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      this.#collections.push({ startMs: startTime, endMs: startTime + duration });
  });

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** Runs and times a call. */
  time(kind: string, call: () => void): void {
    const before = process.cpuUsage();
    const startMs = performance.now();
    call();
    const endMs = performance.now();
    const after = process.cpuUsage();
    const processorMs = (after.user + after.system - before.user - before.system) / 1_000;
    const longest = this.#longest.get(kind);
    if (longest === undefined || endMs - startMs > longest.endMs - longest.startMs)
      this.#longest.set(kind, { startMs, endMs, processorMs });
    if (processorMs > (this.#mostProcessorMs.get(kind) ?? 0)) this.#mostProcessorMs.set(kind, processorMs);
  }

  /** The longest call of each kind. The meter is done with. */
  async end(): Promise<(kind: string) => Pause> {
    // Collections are reported between turns of the event loop, and the calls were all in one.
    await setImmediate();
    await setImmediate();
    this.#observer.disconnect();
    return (kind) => {
      const call = this.#longest.get(kind);
      if (call === undefined) throw new Error(`Nothing of the kind "${kind}" was timed.`);
      const overlaps = this.#collections.map(
        ({ startMs, endMs }) => Math.min(endMs, call.endMs) - Math.max(startMs, call.startMs),
      );
      return {
        ms: call.endMs - call.startMs,
        collectorMs: overlaps.reduce((sum, overlap) => sum + Math.max(0, overlap), 0),
        processorMs: call.processorMs,
        mostProcessorMs: this.#mostProcessorMs.get(kind) ?? 0,
      };
    };
  }
}
