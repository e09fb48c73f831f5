/** Every code of a `KvError`. */
export type KvErrorCode =
  /** An option of `createKvCache` is missing, unknown or outside its range. */
  | 'INVALID_OPTIONS'
  /** A field of an acquire request is missing or outside its range. */
  | 'INVALID_REQUEST'
  /** Tokens or token counts given to a lease do not fit its page table. */
  | 'INVALID_TOKENS'
  /** A lease was used after its release. */
  | 'LEASE_RELEASED'
  /** A sealed lease was asked to grow. */
  | 'LEASE_SEALED'
  /** Pages were to be published or forked whose copied rows have not arrived. */
  | 'COPIES_PENDING'
  /** A page was allocated from a pool without free pages. */
  | 'POOL_EMPTY'
  /** A page id is the null page or outside the pool. */
  | 'PAGE_UNKNOWN'
  /** A page was given back although it is free, or more often than it was held. */
  | 'PAGE_DOUBLE_FREE'
  /** A free page was used. */
  | 'PAGE_FREED'
  /** The cache was not made by `createKvCache`. */
  | 'FOREIGN_CACHE';

/** Misuse or bad input: the caller can avoid it. The message is one sentence with the values and what to do about it. */
export class KvError extends Error {
  override readonly name = 'KvError';
  readonly code: KvErrorCode;

  constructor(code: KvErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A law of the cache does not hold: a defect of this package, never of its caller. Whoever drives the cache must stop. */
export class InvariantBroken extends Error {
  override readonly name = 'InvariantBroken';
  /** Number of the law, as `checkKv` names it. */
  readonly law: number;

  constructor(law: number, message: string) {
    super(`law ${law}: ${message}`);
    this.law = law;
  }
}
