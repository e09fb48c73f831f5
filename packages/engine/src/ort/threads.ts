import { availableParallelism } from 'node:os';

/** Threads of the runtime unless told otherwise. */
export function defaultThreads(): number {
  return Math.max(1, Math.min(availableParallelism(), 8));
}
