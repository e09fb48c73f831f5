/**
 * Milliseconds on the process's monotonic clock. All threads of a process read the same one (unlike `performance.now`, whose zero
 * differs from thread to thread), so an interval may begin in the caller's thread and end in the worker.
 */
export type Clock = () => number;

export const monotonicMs: Clock = () => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
};

/** Everything that an engine knows of time; tests put a clock here that they turn themselves. */
export interface EngineTime {
  readonly clock: Clock;
  /** Milliseconds since 1970: what survives a restart. */
  readonly wallClock: Clock;
  /** Calls back once after so many milliseconds, and keeps no process alive for it. Returns how to leave it. */
  readonly after: (ms: number, work: () => void) => () => void;
}

export const systemTime: EngineTime = {
  clock: monotonicMs,
  wallClock: Date.now,
  after: (ms, work) => {
    const timer = setTimeout(work, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
