/** The public face of the cache: what requests may say about the lifetime of what they store, and what an operator may do. */
import type { ClaimPriority, Invalidation, InvalidationTarget, KvEvent, KvStats, PinId, PinResult } from '@octavo/kv';
import type { CacheFileCalls } from './cache-file-api.ts';
import type { Message } from './message.ts';

/** A position of a prompt: a number of tokens, or the end of a message (counted from 0) of a chat. */
export type CacheBreakpoint =
  | { readonly tokens: number; readonly priority?: ClaimPriority }
  | { readonly message: number; readonly priority?: ClaimPriority };

/** How long what is stored stays. */
export interface LifetimeOptions {
  /** The conversation, in the request's salt: what only it used goes with `closeSession`, or when it is idle for the engine's limit. */
  readonly session?: string;
  /** What it is about, such as `product:tv-55`, for `invalidate({ tag })`. Behind an `@` stands a version: another one ends the old one's entries. */
  readonly tags?: readonly string[];
  /** Milliseconds from the end of the request on. */
  readonly ttlMs?: number;
  /** Milliseconds from the last use on, by anybody. */
  readonly slidingTtlMs?: number;
  /** What goes last when pages run out. Default `normal`. (`priority` is another thing: who runs first.) */
  readonly cachePriority?: ClaimPriority;
}

export interface CacheRequestOptions extends LifetimeOptions {
  /** `use-only`: finds, stores nothing. `bypass`: neither. Default `share`. */
  readonly cache?: 'share' | 'use-only' | 'bypass';
  /** The session's context, as tags: a request with another set ends what belonged only to the old one. Needs `session`. */
  readonly context?: readonly string[];
  /** Nothing of prompt and completion behind the last of these is stored. Default: everything is. */
  readonly breakpoints?: readonly CacheBreakpoint[];
  /** Pins the prompt when the request has ended; `usage.pin` says whether it was granted, clipped or refused. Default false. */
  readonly pin?: boolean;
}

export interface WarmOptions extends LifetimeOptions {
  readonly salt?: string;
  /** Pins each prompt once it is computed. Default false. */
  readonly pin?: boolean;
  /** Compute what was invalidated or has expired again, until the engine is closed. Default false. */
  readonly refresh?: boolean;
  /** Called after each prompt. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  readonly signal?: AbortSignal;
}

/** A text, ids, or messages: with what comes before an answer, or with `prefix` without it, for conversations that go on behind them. */
export type WarmPrompt =
  | string
  | readonly number[]
  | Uint32Array
  | { readonly messages: readonly Message[]; readonly prefix?: boolean };

export interface WarmResult {
  readonly warmed: number;
  readonly computedTokens: number;
  /** [prompts] in their order, when pins were asked for; else empty. */
  readonly pins: readonly PinResult[];
}

/** A prefix, and what it saved. */
export interface PrefixStats {
  readonly salt: string;
  /** Of the whole prefix, from the first token. */
  readonly ids: readonly number[];
  /** Prompt tokens that requests found up to here and did not compute. */
  readonly savedTokens: number;
}

export interface CacheStats {
  readonly pages: {
    readonly total: number;
    readonly free: number;
    /** Held by running requests, found or their own. */
    readonly used: number;
    /** Held by at least two of them. */
    readonly shared: number;
    /** Kept, held by nobody, and given up when pages run out. */
    readonly cached: number;
    /** Under a pin, held or not. */
    readonly pinned: number;
  };
  readonly pinBudgetPages: number;
  readonly claims: number;
  readonly sessions: number;
  readonly tags: number;
  readonly pins: number;
  readonly evictedPages: number;
  readonly removedPages: number;
  readonly queriedTokens: number;
  readonly hitTokens: number;
  readonly misses: KvStats['misses'];
  /** Those that saved most, as many as were asked for. */
  readonly topPrefixes: readonly PrefixStats[];
}

/** A prompt as `pin` takes it. */
export type CachePrompt =
  | string
  | readonly number[]
  | Uint32Array
  | { readonly messages: readonly { readonly role: string; readonly content: string }[] };

/**
 * What is in the cache and for how long. Without a cache (`kvCache` false) everything is 0 and every pin is refused. Unknown sessions,
 * tags, salts and pins are counts of 0 and false, never errors.
 */
export interface EngineCache extends CacheFileCalls {
  /** `topPrefixes` of them cost a look at every entry. */
  stats(options?: { readonly topPrefixes?: number }): Promise<CacheStats>;
  /**
   * Ends the claims that fit everything that is given, at least one thing; without `salt`, in all salts. Pages that no other claim covers
   * leave at once; running requests that it fits go on, and store nothing more.
   */
  invalidate(target: InvalidationTarget): Promise<Invalidation>;
  closeSession(session: string, options?: { readonly salt?: string }): Promise<Invalidation>;
  /** Promises to keep the part of a prompt that is in the cache, within the engine's `pinBudgetPages`. `warm` computes and pins. */
  pin(
    prompt: CachePrompt,
    options?: Omit<LifetimeOptions, 'cachePriority'> & { readonly salt?: string },
  ): Promise<PinResult>;
  /** False: the pin has ended already. */
  unpin(pin: PinId): Promise<boolean>;
  /**
   * What happens to the cache, from now on or, with `after`, from the event behind that number on (0: from the first that was recorded).
   * Nothing is recorded before the first call. The iteration throws EVENTS_LOST when the reader was too slow, or asked for what is gone.
   */
  events(options?: { readonly after?: number; readonly signal?: AbortSignal }): AsyncIterable<KvEvent>;
}
