/**
 * What a client and an engine host say to each other: plain values that survive a thread border, nothing else. One protocol for both
 * modes; in-thread, the same messages are passed by reference.
 *
 *     client  -- complete, call, abort, close -->  host
 *     client  <-- progress, opened | open-failed, step, reply, broken, closed --  host
 */
import type { CacheMode, ClaimOptions, Invalidation, InvalidationTarget, KvEvent, PinResult } from '@octavo/kv';
import type { FinishReason } from '@octavo/scheduler';
import type { EngineInfo, EngineStats, Message, OpenProgress, ScoreResult, Timings, Usage } from './api.ts';
import type { CacheStats, WarmResult } from './cache-api.ts';
import type { CacheExport, CacheImport, CacheTreeEntry, LearnedOpening } from './cache-file-api.ts';
import type { WireLifetime } from './cache-requests.ts';
import type { AnyErrorCode } from './errors.ts';
import type { ResolvedSampling } from './sampling/resolve-sampling.ts';
import type { TruncationRule } from './truncation/resolve-truncation.ts';

/** Names one request or call of a client; never used again. */
export type RequestId = number;

/** An error as plain values; `EngineError` is rebuilt from it on the other side. */
export interface WireError {
  readonly code: AnyErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, number | string>>;
  /** What led to it, as text: objects of other threads cannot come along. */
  readonly cause?: string;
}

/** A prompt before it is tokens. */
export type PromptInput =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'ids'; readonly ids: Uint32Array }
  | { readonly kind: 'messages'; readonly messages: readonly Message[] };

/** A prompt to warm; a prefix is what a conversation goes on behind. */
export type WarmInput = PromptInput | { readonly kind: 'prefix'; readonly messages: readonly Message[] };

/** One generation, its options checked and resolved. */
export interface CompleteMessage {
  readonly type: 'complete';
  readonly id: RequestId;
  readonly prompt: PromptInput;
  /** Absent: the model's own default. */
  readonly maxTokens?: number;
  readonly stop: readonly string[];
  readonly stopIds: readonly number[];
  readonly ignoreEos: boolean;
  readonly salt: string;
  readonly priority: number;
  readonly cache: CacheMode;
  readonly lifetime: WireLifetime;
  readonly sampling: ResolvedSampling;
  readonly truncation: TruncationRule;
  /** The prompt that the caller's function made this one of; its message had the same id. */
  readonly shortened?: { readonly promptTokens: number; readonly messages: number };
  /** When the caller asked, on the clock of clock.ts. */
  readonly submittedMs: number;
}

/** Events of the cache, in order. */
export interface EventBatch {
  readonly events: readonly KvEvent[];
  /** Number of the last one that is known to whoever got these. */
  readonly lastSequence: number;
}

/** Questions with one answer: kind -> what is asked and what is answered. */
export interface Calls {
  readonly tokenize: { readonly input: string; readonly output: readonly number[] };
  /** Ids of a prompt as a request would have them. */
  readonly encode: { readonly input: PromptInput; readonly output: readonly number[] };
  readonly detokenize: { readonly input: readonly number[]; readonly output: string };
  readonly score: { readonly input: PromptInput; readonly output: ScoreResult };
  readonly warm: {
    readonly input: {
      readonly prompts: readonly WarmInput[];
      readonly salt: string;
      readonly claim: ClaimOptions;
      readonly pin: boolean;
      readonly refresh: boolean;
    };
    readonly output: WarmResult;
  };
  readonly cacheExport: { readonly input: string; readonly output: CacheExport };
  readonly cacheImport: { readonly input: string; readonly output: CacheImport };
  readonly cacheTree: { readonly input: null; readonly output: readonly CacheTreeEntry[] };
  readonly openings: { readonly input: number; readonly output: readonly LearnedOpening[] };
  readonly stats: { readonly input: null; readonly output: EngineStats };
  readonly audit: { readonly input: null; readonly output: readonly string[] };
  /** How many top prefixes are wanted. */
  readonly 'cache-stats': { readonly input: number; readonly output: CacheStats };
  readonly 'cache-invalidate': { readonly input: InvalidationTarget; readonly output: Invalidation };
  readonly 'cache-pin': {
    readonly input: { readonly prompt: PromptInput; readonly salt: string; readonly claim: ClaimOptions };
    readonly output: PinResult;
  };
  readonly 'cache-unpin': { readonly input: number; readonly output: boolean };
  /** Answered when there is an event behind `after`; at once, with the number of the last one, without `after`. */
  readonly 'cache-events': { readonly input: { readonly after: number | undefined }; readonly output: EventBatch };
}
export type CallKind = keyof Calls;

export type CallMessage = {
  [Kind in CallKind]: {
    readonly type: 'call';
    readonly id: RequestId;
    readonly kind: Kind;
    readonly input: Calls[Kind]['input'];
  };
}[CallKind];

export type ClientMessage =
  | CompleteMessage
  | CallMessage
  /** Ends a generation, a scoring or a warming; unknown and ended ids are ignored. */
  | { readonly type: 'abort'; readonly id: RequestId }
  | { readonly type: 'close' };

/** What a step meant for one generation. */
export type RequestEvent =
  | { readonly kind: 'delta'; readonly id: RequestId; readonly ids: readonly number[]; readonly text: string }
  /** The prompt is over its limit: the caller's function decides. Answered by a `complete` with the same id, or by an abort. */
  | OverLimitEvent
  | { readonly kind: 'ended'; readonly id: RequestId; readonly outcome: Outcome }
  | { readonly kind: 'failed'; readonly id: RequestId; readonly error: WireError };

export interface OverLimitEvent {
  readonly kind: 'over-limit';
  readonly id: RequestId;
  readonly ids: readonly number[];
  readonly limitTokens: number;
}

/** The end of a generation; its ids and text went out as deltas. */
export interface Outcome {
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  readonly timings: Timings;
}

export type Reply =
  | { readonly type: 'reply'; readonly id: RequestId; readonly ok: true; readonly output: Calls[CallKind]['output'] }
  | { readonly type: 'reply'; readonly id: RequestId; readonly ok: false; readonly error: WireError };

export type HostMessage =
  | { readonly type: 'progress'; readonly progress: OpenProgress }
  | { readonly type: 'opened'; readonly info: EngineInfo }
  | { readonly type: 'open-failed'; readonly error: WireError }
  /** All events of one step, in order, in one message. */
  | { readonly type: 'step'; readonly events: readonly RequestEvent[] }
  /** How far a call has come. */
  | { readonly type: 'call-progress'; readonly id: RequestId; readonly done: number; readonly total: number }
  | Reply
  /** A law does not hold: the engine has stopped, and whatever is open was lost. */
  | { readonly type: 'broken'; readonly error: WireError }
  /** The last message. */
  | { readonly type: 'closed' };
