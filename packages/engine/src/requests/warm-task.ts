/** Computes the K/V of a list of prompts, a few at a time, so that a long list neither fills the queue nor keeps requests waiting. */
import type { PinResult } from '@octavo/kv';
import type { WarmResult } from '../cache-api.ts';
import type { SourcedUsage } from '../cached-from.ts';
import type { SequenceConsumer } from '../step-loop.ts';

export interface WarmTaskParts {
  readonly prompts: readonly Uint32Array[];
  /** Prompts in the queue or in a step at most. */
  readonly inFlight: number;
  /** Queues a prompt; returns how to end it. Throws what a refusal means. */
  readonly submit: (prompt: Uint32Array, consumer: SequenceConsumer) => () => void;
  /** Pins what was computed; absent when nothing is to be pinned. */
  readonly pin?: (prompt: Uint32Array) => PinResult;
  /** A prompt is in the cache. */
  readonly warmed: () => void;
  readonly done: (outcome: WarmResult) => void;
  readonly failed: (error: unknown) => void;
}

export class WarmTask {
  readonly #parts: WarmTaskParts;
  readonly #running = new Set<() => void>();
  #next = 0;
  #warmed = 0;
  #computedTokens = 0;
  #isOver = false;
  readonly #pins: PinResult[] = [];

  constructor(parts: WarmTaskParts) {
    this.#parts = parts;
  }

  /** Submits what there is room for; call once, it goes on by itself. */
  advance(): void {
    const { prompts, inFlight } = this.#parts;
    while (!this.#isOver && this.#next < prompts.length && this.#running.size < inFlight) {
      this.#start(this.#next);
      this.#next += 1;
    }
    if (!this.#isOver && this.#running.size === 0) {
      this.#isOver = true;
      this.#parts.done({ warmed: this.#warmed, computedTokens: this.#computedTokens, pins: this.#pins });
    }
  }

  /** Ends it without an answer; what was computed stays in the cache. */
  abort(): void {
    this.#isOver = true;
    const running = [...this.#running];
    this.#running.clear();
    for (const end of running) end();
  }

  #start(place: number): void {
    const prompt = this.#parts.prompts[place] as Uint32Array;
    let end = () => {};
    const isOver = () => {
      this.#running.delete(end);
      return this.#isOver;
    };
    try {
      end = this.#parts.submit(prompt, {
        wantsLogits: false,
        // The first token is discarded: the prompt's K/V is all that is wanted.
        stops: true,
        planned: () => {},
        take: (head) => head.argmax,
        finished: (_reason, usage) => {
          if (isOver()) return;
          if (this.#parts.pin) this.#pins[place] = this.#parts.pin(prompt);
          this.#parts.warmed();
          this.#finish(usage);
        },
        failed: (error) => {
          if (!isOver()) this.#fail(error);
        },
      });
      this.#running.add(end);
    } catch (error) {
      this.#fail(error);
    }
  }

  #finish(usage: SourcedUsage): void {
    this.#warmed += 1;
    this.#computedTokens += usage.computedTokens;
    this.advance();
  }

  #fail(error: unknown): void {
    this.abort();
    this.#parts.failed(error);
  }
}
