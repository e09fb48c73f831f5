/** Makes prompts fit: applies what a request says about truncation to what it gave. */
import type { Message } from '../api.ts';
import type { CompleteMessage } from '../protocol.ts';
import { keepHeadAndTail } from '../truncation/head-and-tail.ts';
import { dropOldTurns } from '../truncation/turns.ts';
import type { Dropped } from '../truncation-api.ts';
import { type PromptEncoder, promptOver } from './prompt-encoder.ts';

export type FittedPrompt =
  | {
      readonly kind: 'fits';
      readonly tokens: Uint32Array;
      /** Leading tokens that a window keeps while it slides. */
      readonly headTokens: number;
      readonly dropped: Dropped;
    }
  /** The caller's function has to shorten it. */
  | { readonly kind: 'over-limit'; readonly tokens: Uint32Array; readonly limitTokens: number };

export interface FitterLimits {
  /** Longest prompt + completion. */
  readonly contextTokens: number;
  /** Tokens whose K/V one sequence can have at most. */
  readonly sequenceTokens: number;
  readonly defaultMaxTokens: (promptTokens: number) => number;
}

const NOTHING_DROPPED: Dropped = Object.freeze({ promptTokens: 0, messages: 0, windowTokens: 0 });

export class PromptFitter {
  readonly #prompts: PromptEncoder;
  readonly #limits: FitterLimits;

  constructor(prompts: PromptEncoder, limits: FitterLimits) {
    this.#prompts = prompts;
    this.#limits = limits;
  }

  /** Prompt and completion together, whatever limits them first. The last token of a completion is never run: it needs no page. */
  get roomTokens(): number {
    return Math.min(this.#limits.contextTokens, this.#limits.sequenceTokens + 1);
  }

  /** Tokens of a prompt within its limit. Throws PROMPT_OVER_CONTEXT, and what `PromptEncoder.encode` throws. */
  fit(message: CompleteMessage): FittedPrompt {
    const { policy } = message.truncation;
    const tokens = this.#prompts.encodeAny(message.prompt);
    const limitTokens = this.#limitOf(message);
    if (tokens.length <= limitTokens) return this.#fitting(message, tokens, limitTokens);
    if (policy === 'caller') return { kind: 'over-limit', tokens, limitTokens };
    if (policy === 'head-and-tail') return this.#headAndTail(message, tokens, limitTokens);
    if (policy === 'turns' && message.prompt.kind === 'messages') {
      return this.#turns(message, message.prompt.messages, { tokens, limitTokens });
    }
    throw promptOver(tokens.length, limitTokens, this.#limits.contextTokens);
  }

  #fitting(message: CompleteMessage, tokens: Uint32Array, limitTokens: number): FittedPrompt {
    const { shortened, prompt } = message;
    const messages = prompt.kind === 'messages' ? prompt.messages.length : 0;
    const dropped: Dropped = shortened
      ? {
          promptTokens: Math.max(0, shortened.promptTokens - tokens.length),
          messages: Math.max(0, shortened.messages - messages),
          windowTokens: 0,
        }
      : NOTHING_DROPPED;
    return { kind: 'fits', tokens, headTokens: this.#headOf(message, tokens, limitTokens), dropped };
  }

  #headAndTail(message: CompleteMessage, tokens: Uint32Array, limitTokens: number): FittedPrompt {
    const headTokens = this.#headOf(message, tokens, limitTokens);
    const kept = keepHeadAndTail(tokens, { limitTokens, headTokens });
    const dropped = { ...NOTHING_DROPPED, promptTokens: tokens.length - kept.length };
    return { kind: 'fits', tokens: kept, headTokens, dropped };
  }

  #turns(
    message: CompleteMessage,
    messages: readonly Message[],
    long: { readonly tokens: Uint32Array; readonly limitTokens: number },
  ): FittedPrompt {
    const { limitTokens } = long;
    const encode = (fewer: readonly Message[]) => this.#prompts.encodeAny({ kind: 'messages', messages: fewer });
    const shorter = dropOldTurns(messages, (fewer) => encode(fewer).length <= limitTokens);
    if (!shorter) throw promptOver(long.tokens.length, limitTokens, this.#limits.contextTokens);
    const tokens = encode(shorter.messages);
    const dropped = {
      promptTokens: long.tokens.length - tokens.length,
      messages: shorter.droppedMessages,
      windowTokens: 0,
    };
    return { kind: 'fits', tokens, headTokens: this.#headOf(message, tokens, limitTokens), dropped };
  }

  /** Only a request that may be shortened gives room to its completion; one that is refused takes all but a token. */
  #limitOf({ truncation, maxTokens }: CompleteMessage): number {
    const { policy, limitTokens = Number.POSITIVE_INFINITY } = truncation;
    if (policy === 'refuse') return Math.min(limitTokens, this.#limits.contextTokens - 1);
    const half = Math.max(1, Math.floor(this.roomTokens / 2));
    const completion = Math.min(maxTokens ?? this.#limits.defaultMaxTokens(half), half);
    return Math.min(limitTokens, this.roomTokens - completion);
  }

  #headOf({ truncation, prompt }: CompleteMessage, tokens: Uint32Array, limitTokens: number): number {
    if (truncation.headTokens !== undefined) return Math.min(truncation.headTokens, limitTokens - 1);
    const system = prompt.kind === 'messages' ? this.#systemTokens(prompt.messages, tokens) : 0;
    return system > 0 && system <= limitTokens / 2 ? system : Math.floor(limitTokens / 4);
  }

  /** Tokens that a chat has in common with its system messages alone; 0 when the template does not take those alone. */
  #systemTokens(messages: readonly Message[], tokens: Uint32Array): number {
    const count = messages.findIndex(({ role }) => role !== 'system');
    if (count <= 0) return 0;
    try {
      const system = this.#prompts.text.encodeChat(messages.slice(0, count), { addGenerationPrompt: false });
      const differs = system.findIndex((token, position) => token !== tokens[position]);
      return differs < 0 ? system.length : differs;
    } catch {
      return 0;
    }
  }
}
