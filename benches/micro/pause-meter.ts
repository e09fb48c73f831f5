import { PerformanceObserver, performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';

/** One stretch of time, in milliseconds on the clock of `performance`. */
interface Stretch {
  readonly startMs: number;
  readonly endMs: number;
}

/** The longest of many calls. */
export interface Pause {
  readonly ms: number;
  /** How much of it the garbage collector had the thread. */
  readonly collectorMs: number;
}

/** Times calls by the clock on the wall, as whoever waits for them does, and keeps the longest of each kind. */
export class PauseMeter {
  readonly #longest = new Map<string, Stretch>();
  readonly #collections: Stretch[] = [];
  readonly #observer = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      this.#collections.push({ startMs: startTime, endMs: startTime + duration });
  });

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** Runs and times a call. Allocates nothing unless it is the longest so far. */
  time(kind: string, call: () => void): void {
    const startMs = performance.now();
    call();
    const endMs = performance.now();
    const longest = this.#longest.get(kind);
    if (longest === undefined || endMs - startMs > longest.endMs - longest.startMs)
      this.#longest.set(kind, { startMs, endMs });
  }

  /** The longest call of each kind. The meter is done with. */
  async end(): Promise<(kind: string) => Pause> {
    // Collections are reported between turns of the event loop, and the calls were all in one.
    await setImmediate();
    await setImmediate();
    this.#observer.disconnect();
    return (kind) => {
      const pause = this.#longest.get(kind);
      if (pause === undefined) throw new Error(`Nothing of the kind "${kind}" was timed.`);
      const collectorMs = this.#collections.reduce((sum, each) => sum + overlapMs(each, pause), 0);
      return { ms: pause.endMs - pause.startMs, collectorMs };
    };
  }
}

function overlapMs(a: Stretch, b: Stretch): number {
  return Math.max(0, Math.min(a.endMs, b.endMs) - Math.max(a.startMs, b.startMs));
}
