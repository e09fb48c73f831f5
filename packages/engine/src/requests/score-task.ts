/** Scores a text: one pass over its tokens, from which nothing is kept but one number a token (and the last row of logits). */
import type { FinishReason } from '@octavo/scheduler';
import type { ScoreResult } from '../api.ts';
import { logProbabilityOf, perplexityOf } from '../sampling/log-probability.ts';
import type { Head, SequenceConsumer } from '../step-loop.ts';

export interface ScoreListener {
  scored(result: ScoreResult): void;
  failed(error: unknown): void;
}

export class ScoreTask implements SequenceConsumer {
  readonly wantsLogits = true;
  readonly stops = true;
  readonly #tokens: Uint32Array;
  readonly #listener: ScoreListener;
  readonly #argmax: number[];
  readonly #logprobs: number[];
  #lastLogits: number[] = [];

  constructor(tokens: Uint32Array, listener: ScoreListener) {
    this.#tokens = tokens;
    this.#listener = listener;
    this.#argmax = new Array<number>(tokens.length).fill(0);
    this.#logprobs = new Array<number>(tokens.length - 1).fill(0);
  }

  planned(): void {}

  /** Rows are filed under their position: after a preemption some come twice, and are the same. */
  take(head: Head): number {
    const logits = head.logits as Float32Array;
    const next = this.#tokens[head.position + 1];
    this.#argmax[head.position] = head.argmax;
    if (next === undefined) this.#lastLogits = Array.from(logits);
    else this.#logprobs[head.position] = logProbabilityOf(logits, next);
    return head.argmax;
  }

  finished(reason: FinishReason): void {
    // Whoever aborted it waits for no answer, and there is none.
    if (reason === 'abort') return;
    const logprobs = this.#logprobs;
    const perplexity = perplexityOf(logprobs);
    this.#listener.scored({
      argmax: this.#argmax,
      lastLogits: this.#lastLogits,
      logprobs,
      ...(perplexity === undefined ? {} : { perplexity }),
    });
  }

  failed(error: unknown): void {
    this.#listener.failed(error);
  }
}
