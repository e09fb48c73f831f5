/** Every code that this package throws. Refusals (queue full, too long) are returned values, never errors. */
export type SchedulerErrorCode =
  | 'INVALID_OPTION'
  | 'INVALID_REQUEST'
  | 'INVALID_RESULT'
  | 'STEP_IN_FLIGHT'
  | 'NO_STEP_IN_FLIGHT'
  | 'UNKNOWN_SEQUENCE'
  | 'POOL_HELD_OUTSIDE'
  | 'PLAN_CHANGED'
  | 'LAW_BROKEN';

/** Misuse and bad input (the caller can act on them), and `LAW_BROKEN` (a defect: the step loop has to stop). */
export class SchedulerError extends Error {
  readonly code: SchedulerErrorCode;

  constructor(code: SchedulerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SchedulerError';
    this.code = code;
  }
}
