/** Every code that this package throws. Refusals (queue full, too long) are returned values, never errors. */
export type SchedulerErrorCode =
  /** An option is missing, unknown or outside its range. */
  | 'INVALID_OPTION'
  /** A request that no scheduler could ever run. */
  | 'INVALID_REQUEST'
  /** The executor's answer does not fit the plan; the step is still in flight. */
  | 'INVALID_RESULT'
  /** A step was planned before the last one was committed. */
  | 'STEP_IN_FLIGHT'
  /** A plan was committed or failed that is not in flight. */
  | 'NO_STEP_IN_FLIGHT'
  /** A sequence was asked for that was never submitted, or ended too long ago. */
  | 'UNKNOWN_SEQUENCE'
  /** Nothing can go on because leases outside the scheduler hold the pages; it goes on when they are released. */
  | 'POOL_HELD_OUTSIDE'
  /** Debug mode: the executor wrote into a plan. */
  | 'PLAN_CHANGED';

/** Misuse or bad input: the caller can avoid it. A broken invariant is an `InvariantBroken` of `@octavo/kv`. */
export class SchedulerError extends Error {
  override readonly name = 'SchedulerError';
  readonly code: SchedulerErrorCode;

  constructor(code: SchedulerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
