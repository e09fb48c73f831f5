/**
 * A completion that outlives its context. When prompt and completion have filled it, a new sequence goes on from the head and the recent
 * tokens, with positions from 0; client, sampler and text see one stream.
 */

import type { FinishReason } from '@octavo/scheduler';
import type { SourcedUsage } from '../cached-from.ts';
import type { CandidateWish } from '../sampling/candidate-wish.ts';
import type { TokenHistory } from '../sampling/penalties.ts';
import type { Head, SequenceConsumer } from '../step-loop.ts';
import { keepHeadAndTail } from '../truncation/head-and-tail.ts';
import type { Completion } from './completion.ts';

export interface WindowSliderParts {
  readonly prompt: Uint32Array;
  /** Tokens of the whole completion. */
  readonly maxTokens: number;
  /** Prompt and completion of one sequence together. */
  readonly roomTokens: number;
  readonly headTokens: number;
  /** Queues a sequence; returns how to end it. Throws what a refusal means. */
  readonly submit: (segment: WindowSegment, consumer: SequenceConsumer) => () => void;
}

export interface WindowSegment {
  readonly prompt: Uint32Array;
  readonly maxTokens: number;
  /** 0 for the first one. */
  readonly droppedTokens: number;
}

export class WindowSlider implements SequenceConsumer {
  readonly #parts: WindowSliderParts;
  /** Prompt and completion as if nothing had been dropped: what penalties and random numbers go by. */
  readonly history: TokenHistory & { tokens: Uint32Array; tokenCount: number };
  #completion: Completion | undefined;
  #end: () => void = () => {};
  /** Of the segments before the one that runs. */
  #usage: SourcedUsage | undefined;
  #windowTokens = 0;

  constructor(parts: WindowSliderParts) {
    this.#parts = parts;
    const promptTokens = parts.prompt.length;
    const tokens = new Uint32Array(2 * promptTokens);
    tokens.set(parts.prompt);
    this.history = { tokens, tokenCount: promptTokens, promptTokens };
  }

  get wantsLogits(): boolean {
    return this.#completion?.wantsLogits ?? false;
  }

  candidateWish(sequence: number, count: number): CandidateWish | undefined {
    return this.#completion?.candidateWish(sequence, count);
  }

  get stops(): boolean {
    return this.#completion?.stops ?? true;
  }

  /** Tokens that are no longer in the window. */
  get windowTokens(): number {
    return this.#windowTokens;
  }

  /** Begins; what comes of it goes to `completion`. Throws what a refusal means. */
  start(completion: Completion): void {
    this.#completion = completion;
    this.#submit(this.#parts.prompt);
  }

  /** Ends the segment that runs, and the completion with it. */
  abort(): void {
    this.#end();
  }

  planned(nowMs: number): void {
    this.#completion?.planned(nowMs);
  }

  take(head: Head): number {
    const token = this.#completion?.take(head) ?? head.argmax;
    const { history } = this;
    if (history.tokenCount === history.tokens.length) {
      const longer = new Uint32Array(2 * history.tokens.length);
      longer.set(history.tokens);
      history.tokens = longer;
    }
    history.tokens[history.tokenCount] = token;
    history.tokenCount += 1;
    return token;
  }

  finished(reason: FinishReason, usage: SourcedUsage): void {
    this.#usage = this.#usage ? joined(this.#usage, usage) : usage;
    if (reason === 'length' && this.#remainingTokens > 0 && this.#slides()) return;
    this.#completion?.finished(reason, this.#usage);
  }

  failed(error: unknown): void {
    this.#completion?.failed(error);
  }

  get #remainingTokens(): number {
    const { tokenCount, promptTokens } = this.history;
    return this.#parts.maxTokens - (tokenCount - promptTokens);
  }

  /** False: there was no room in the queue, so the completion is as long as it is. */
  #slides(): boolean {
    const { headTokens, roomTokens } = this.#parts;
    const all = this.history.tokens.subarray(0, this.history.tokenCount);
    const limitTokens = Math.max(1, Math.floor(roomTokens / 2));
    try {
      this.#submit(keepHeadAndTail(all, { limitTokens, headTokens: Math.min(headTokens, limitTokens >> 1) }));
      return true;
    } catch {
      return false;
    }
  }

  #submit(prompt: Uint32Array): void {
    const droppedTokens = this.history.tokenCount - prompt.length;
    const maxTokens = Math.min(this.#remainingTokens, this.#parts.roomTokens - prompt.length);
    this.#end = this.#parts.submit({ prompt: prompt.slice(), maxTokens, droppedTokens }, this);
    this.#windowTokens = droppedTokens;
  }
}

/** One usage of two sequences of one completion: what the second one computed of its prompt was computed before. Pure. */
function joined(first: SourcedUsage, next: SourcedUsage): SourcedUsage {
  return {
    ...first,
    recomputedTokens: first.recomputedTokens + next.computedTokens + next.recomputedTokens,
    completionTokens: first.completionTokens + next.completionTokens,
    preemptions: first.preemptions + next.preemptions,
  };
}
