/** What a plan is compared with: a sequence as it was when the plan was made. */
export interface PlannedSequence {
  readonly tokens: Uint32Array;
  readonly tokenCount: number;
  /** Tokens of the past: the first row of the sequence is at this position. */
  readonly computedTokens: number;
  /** [>= pageCount] */
  readonly pageTable: Int32Array;
  readonly pageCount: number;
  /** Leading pages that are read-only. */
  readonly sharedPages: number;
}

/** Where the sequences of a plan come from: `inspect()` of the scheduler or the recompute baseline. */
export interface PlanInspection {
  /** Tokens a page. */
  readonly pageSize: number;
  /** Undefined: it is not running. */
  planned(sequence: number): PlannedSequence | undefined;
}
