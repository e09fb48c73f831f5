/** The caller's end of a running request: deltas to iterate over, a result to await, and the way to stop it. */
import type { GenerateResult, Generation, TextDelta } from './api.ts';
import type { Outcome } from './protocol.ts';

/** How a generation reaches the engine. */
export interface GenerationControl {
  /** Asks the engine to end the request; its end comes back as an outcome. */
  readonly abort: () => void;
  readonly seed: number;
  /** Whether deltas have text: the model has a tokenizer. */
  readonly hasText: boolean;
}

/**
 * Buffers what its reader has not taken yet: the engine never waits for a reader, and a slow one gets fewer, longer deltas (all that
 * came since the last one, in order). Deltas go to one reader; a second iteration goes on where the first one is.
 */
export class GenerationBuffer implements Generation {
  readonly #control: GenerationControl;
  readonly #ids: number[] = [];
  #text = '';
  /** What came since the last delta that was taken. */
  #pendingIds: number[] = [];
  #pendingText = '';
  #state: 'running' | 'ended' | 'failed' = 'running';
  #failure: unknown;
  #wakeReaders: (() => void)[] = [];
  readonly #result: Promise<GenerateResult>;
  #settle!: { readonly resolve: (result: GenerateResult) => void; readonly reject: (reason: unknown) => void };

  constructor(control: GenerationControl) {
    this.#control = control;
    this.#result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // A caller that only iterates learns of a failure there; the promise that nobody asked for must not count as unhandled.
    this.#result.catch(() => {});
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  result(): Promise<GenerateResult> {
    return this.#result;
  }

  abort(): void {
    if (this.#state === 'running') this.#control.abort();
  }

  [Symbol.asyncIterator](): AsyncIterator<TextDelta, undefined> {
    return {
      next: async () => {
        while (!this.#hasPending && this.#state === 'running') {
          await new Promise<void>((wake) => this.#wakeReaders.push(wake));
        }
        if (this.#hasPending) return { done: false, value: this.#takePending() };
        if (this.#state === 'failed') throw this.#failure;
        return { done: true, value: undefined };
      },
      return: async () => {
        this.abort();
        return { done: true, value: undefined };
      },
    };
  }

  /** New tokens and the text that they made certain (empty while a code point or a stop string is incomplete). */
  push(ids: readonly number[], text: string): void {
    if (this.#state !== 'running') return;
    for (const id of ids) {
      this.#ids.push(id);
      this.#pendingIds.push(id);
    }
    this.#text += text;
    this.#pendingText += text;
    this.#wake();
  }

  /** The request ended; resolves the result. */
  end(outcome: Outcome): void {
    if (this.#state !== 'running') return;
    this.#state = 'ended';
    this.#settle.resolve({ ids: this.#ids, ...this.#withText(this.#text), ...outcome, seed: this.#control.seed });
    this.#wake();
  }

  /** The request failed: the reader gets what came before, then the error. */
  fail(reason: unknown): void {
    if (this.#state !== 'running') return;
    this.#state = 'failed';
    this.#failure = reason;
    this.#settle.reject(reason);
    this.#wake();
  }

  /** As `fail`, for a caller who gave up: what nobody has read is dropped. */
  cancel(reason: unknown): void {
    this.#takePending();
    this.fail(reason);
  }

  get #hasPending(): boolean {
    return this.#pendingIds.length > 0 || this.#pendingText !== '';
  }

  #takePending(): TextDelta {
    const delta = { ...this.#withText(this.#pendingText), ids: this.#pendingIds };
    this.#pendingIds = [];
    this.#pendingText = '';
    return delta;
  }

  #withText(text: string): { readonly text?: string } {
    return this.#control.hasText ? { text } : {};
  }

  #wake(): void {
    const waiting = this.#wakeReaders;
    this.#wakeReaders = [];
    for (const wake of waiting) wake();
  }
}
