/** One generation as the engine sees it: all state of a request between its tokens and its client, with one end. */
import type { FinishReason } from '@octavo/scheduler';
import type { Timings, Usage } from '../api.ts';
import type { SourcedUsage } from '../cached-from.ts';
import type { Clock } from '../clock.ts';
import type { Outcome } from '../protocol.ts';
import type { CandidateWish } from '../sampling/candidate-wish.ts';
import type { Head, SequenceConsumer } from '../step-loop.ts';
import type { Dropped } from '../truncation-api.ts';
import type { Sampler } from './sampler.ts';
import type { TextStream } from './text-stream.ts';

export interface CompletionParts {
  /** When the caller asked, on `clock`. */
  readonly submittedMs: number;
  readonly clock: Clock;
  readonly sampler: Sampler;
  /** Ids that end the completion; they are part of its ids and not of its text. */
  readonly endIds: ReadonlySet<number>;
  /** Absent without a tokenizer. */
  readonly text: TextStream | undefined;
  /** Asked when it has ended. */
  readonly dropped: () => Dropped;
  readonly listener: CompletionListener;
}

/** Where a completion goes. `ended` or `failed` comes last, once. */
export interface CompletionListener {
  delta(ids: readonly number[], text: string): void;
  ended(outcome: Outcome): void;
  failed(error: unknown): void;
}

export class Completion implements SequenceConsumer {
  stops = false;
  readonly #parts: CompletionParts;
  #tokenCount = 0;
  #plannedMs: number | undefined;
  #firstTokenMs = 0;
  #lastTokenMs = 0;

  constructor(parts: CompletionParts) {
    this.#parts = parts;
  }

  get wantsLogits(): boolean {
    return this.#parts.sampler.wantsLogits;
  }

  candidateWish(sequence: number, count: number): CandidateWish | undefined {
    return this.#parts.sampler.candidateWish(sequence, count);
  }

  planned(nowMs: number): void {
    this.#plannedMs ??= nowMs;
  }

  take(head: Head): number {
    const { sampler, endIds, text, listener } = this.#parts;
    const token = sampler.next(head);
    if (this.#tokenCount === 0) this.#firstTokenMs = head.nowMs;
    this.#lastTokenMs = head.nowMs;
    this.#tokenCount += 1;
    this.stops = endIds.has(token);
    let piece = '';
    if (text && !this.stops) {
      piece = text.push(token);
      this.stops = text.stopped;
    }
    listener.delta([token], piece);
    return token;
  }

  finished(reason: FinishReason, usage: SourcedUsage): void {
    const { text, listener, dropped } = this.#parts;
    // Text that was held back, because more of a code point or of a stop string could have come.
    const rest = text?.flush() ?? '';
    if (rest !== '') listener.delta([], rest);
    listener.ended({ finishReason: reason, usage: withDropped(usage, dropped()), timings: this.#timings() });
  }

  failed(error: unknown): void {
    this.#parts.listener.failed(error);
  }

  #timings(): Timings {
    const { submittedMs, clock } = this.#parts;
    const nowMs = clock();
    const gaps = this.#tokenCount - 1;
    return {
      queueMs: (this.#plannedMs ?? nowMs) - submittedMs,
      ttftMs: (this.#tokenCount > 0 ? this.#firstTokenMs : nowMs) - submittedMs,
      totalMs: nowMs - submittedMs,
      perTokenMs: gaps > 0 ? (this.#lastTokenMs - this.#firstTokenMs) / gaps : 0,
    };
  }
}

function withDropped(usage: SourcedUsage, dropped: Dropped): Usage {
  const { promptTokens, messages, windowTokens } = dropped;
  return promptTokens + messages + windowTokens === 0 ? usage : { ...usage, dropped };
}
