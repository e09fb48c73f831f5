/** Whether a session went on to something else: what a detector is told, and what it is remembered by. Runs in the caller's thread. */

/** A request of a session, beside the one before it. */
export interface SessionTurn {
  readonly session: string;
  readonly salt: string;
  /** Ids of the new prompt. */
  readonly ids: Uint32Array;
  /** Tags of the new request, its context set included. */
  readonly tags: readonly string[];
  readonly previous: SessionPast;
}

export interface SessionPast {
  /** The last ids of the prompt before, at most `RECENT_TOKENS`. */
  readonly ids: Uint32Array;
  readonly tags: readonly string[];
}

/** True: the context changed, so what only this session used before goes at once. Asked from a session's second request on. */
export type ContextDetector = (turn: SessionTurn) => boolean | Promise<boolean>;

/** Tokens of a session that are remembered for its detector. */
export const RECENT_TOKENS = 4096;
