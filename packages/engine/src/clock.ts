/**
 * Milliseconds on the process's monotonic clock. All threads of a process read the same one (unlike `performance.now`, whose zero
 * differs from thread to thread), so an interval may begin in the caller's thread and end in the worker.
 */
export type Clock = () => number;

export const monotonicMs: Clock = () => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
};
