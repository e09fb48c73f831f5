/** When and how often something that failed for a passing reason is tried again. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryPolicy {
  /** Attempts in a row that may fail without any progress. */
  readonly attempts: number;
  /** Before the second attempt; doubles from there. */
  readonly firstDelayMs: number;
  /** No wait is longer, whatever the hub asks for. */
  readonly mostDelayMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, firstDelayMs: 500, mostDelayMs: 60_000 };

/** Wait after so many failures in a row (1, 2, ...). Pure. */
export function delayAfter(failures: number, policy: RetryPolicy): number {
  return Math.min(policy.firstDelayMs * 2 ** (failures - 1), policy.mostDelayMs);
}

/** Rejects with the signal's reason when it fires. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted());
}

/** Milliseconds that a `Retry-After` header (seconds, or a date) asks for at `now`; undefined without a sensible one. Pure. */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  const milliseconds = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : undefined;
}
