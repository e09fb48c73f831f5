/**
 * What this package throws. A refusal of the scheduler becomes an error here, since a caller of the public API awaits a promise;
 * the numbers of the refusal travel in `details`.
 */
import type { GraphErrorCode } from '@octavo/graph';
import type { KvErrorCode } from '@octavo/kv';
import type { ModelsErrorCode } from '@octavo/models';
import type { SchedulerErrorCode } from '@octavo/scheduler';
import type { TextErrorCode } from '@octavo/text';

/** Every code that this package makes itself; codes of other packages keep their own when an error passes through. */
export const ENGINE_ERROR_CODES = [
  /** An options object has a key that nobody reads. */
  'UNKNOWN_OPTION',
  /** An option has a value of the wrong type or outside its range. */
  'INVALID_OPTION',
  /** The prompt has no tokens. */
  'EMPTY_PROMPT',
  /** A token id is not below the vocabulary. */
  'TOKEN_OUT_OF_VOCABULARY',
  /** The prompt leaves no room for a token in the context. */
  'PROMPT_OVER_CONTEXT',
  /** Prompt and completion can never be in the page pool at once. */
  'PROMPT_OVER_POOL',
  /** Too many sequences wait. */
  'QUEUE_FULL',
  /** Text was given or asked for, and the model folder has no tokenizer. */
  'TOKENIZER_MISSING',
  /** Messages were given, and the model folder has no chat template. */
  'TEMPLATE_MISSING',
  /** The page pools could not be allocated. */
  'POOL_NOT_ALLOCATED',
  /** More memory was given than the machine has. */
  'MEMORY_TOO_LARGE',
  /** The memory given does not hold the weights and one request. */
  'MEMORY_TOO_SMALL',
  /** A cache file could not be written. */
  'CACHE_FILE_UNWRITABLE',
  /** The model could not be loaded, for a reason that has no code of its own. */
  'OPEN_FAILED',
  /** The engine was closed before the request ended, or before it began. */
  'ENGINE_CLOSED',
  /** Events of the cache are no longer kept that a reader asked for. */
  'EVENTS_LOST',
  /** The runtime failed in a step of this request. */
  'RUN_FAILED',
  /** A request failed outside the run, for a reason that has no code of its own. */
  'REQUEST_FAILED',
  /** The worker thread ended without being asked to. */
  'WORKER_DIED',
  /** A law of the engine does not hold: the engine stopped, and every request was rejected. */
  'INVARIANT_BROKEN',
] as const;

export type EngineErrorCode = (typeof ENGINE_ERROR_CODES)[number];

/** Errors of the other packages pass through as `EngineError`s with the code that they were thrown with. */
export type AnyErrorCode =
  | EngineErrorCode
  | GraphErrorCode
  | ModelsErrorCode
  | TextErrorCode
  | KvErrorCode
  | SchedulerErrorCode;

export interface EngineErrorOptions {
  /** Numbers and names behind the message, for callers that build their own. */
  readonly details?: Readonly<Record<string, number | string>>;
  readonly cause?: unknown;
}

/** A typed failure: `code` for programs, one sentence for people. */
export class EngineError extends Error {
  readonly code: AnyErrorCode;
  readonly details: Readonly<Record<string, number | string>>;

  constructor(code: AnyErrorCode, message: string, options: EngineErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'EngineError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** A broken law: throws loudly and names it. Never used on what a caller passed in. */
export function brokenInvariant(law: string, cause?: unknown): EngineError {
  return new EngineError('INVARIANT_BROKEN', `Broken invariant: ${law}. The engine stops; please report this.`, {
    cause,
  });
}
