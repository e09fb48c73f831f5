/** What happens to prompts over their limit, as callers say it and as answers tell it. */
import type { Message } from './message.ts';

/**
 * `refuse`: PROMPT_OVER_CONTEXT. `head-and-tail`: the first and the most recent tokens. `turns`: the oldest turns of a chat are dropped
 * whole, system messages and the last turn stay (prompts that are no messages are refused). Or a function of the caller's.
 */
export type TruncationPolicy = 'refuse' | 'head-and-tail' | 'turns' | TruncateFunction;
export type Truncation = TruncationPolicy | TruncationOptions;

export interface TruncationOptions {
  /** Default `refuse`. */
  readonly policy?: TruncationPolicy;
  /**
   * Longest prompt. Default and maximum: the context less one token for `refuse`; else what context and pool leave for `maxTokens` more,
   * at least half of them.
   */
  readonly limitTokens?: number;
  /** Leading tokens to keep, of `head-and-tail` and of a sliding window. Default: the system messages if they are at most half of the limit, else a quarter of it. */
  readonly headTokens?: number;
  /**
   * When prompt and completion fill the context: `stop` (default) ends with `length`; `slide` goes on over the head and the recent half
   * of the context, computed again at new positions. What is computed after the first slide is not published.
   */
  readonly whileGenerating?: 'stop' | 'slide';
}

/** A prompt over its limit, as a function that shortens it sees it. */
export interface LongPrompt {
  readonly ids: readonly number[];
  /** There for a chat. */
  readonly messages?: readonly Message[];
  readonly limitTokens: number;
}

/**
 * Runs on the caller's side. What it returns is refused when it is still over the limit; what it throws is what the request rejects with.
 */
export type TruncateFunction = (long: LongPrompt) => ShorterPrompt | Promise<ShorterPrompt>;
export type ShorterPrompt =
  | { readonly prompt: string }
  | { readonly ids: readonly number[] | Uint32Array }
  | { readonly messages: readonly Message[] };

/** What a request ran without. */
export interface Dropped {
  /** Tokens of the prompt as it was given that are not in the one that was run. */
  readonly promptTokens: number;
  /** Whole messages; 0 with `head-and-tail`. */
  readonly messages: number;
  /** Tokens that a sliding window left behind while the completion grew. */
  readonly windowTokens: number;
}
