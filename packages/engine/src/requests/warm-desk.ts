/** Warming: lists of prompts that are computed behind everything else, pinned and computed again when asked. */
import type { ClaimOptions, PinResult } from '@octavo/kv';
import type { SequenceRequest } from '@octavo/scheduler';
import { LOWEST_PRIORITY } from '../client-requests.ts';
import type { EngineParts } from '../engine-parts.ts';
import type { Calls } from '../protocol.ts';
import type { SequenceConsumer } from '../step-loop.ts';
import type { PromptEncoder } from './prompt-encoder.ts';
import { WarmTask } from './warm-task.ts';

type WarmRequest = Calls['warm']['input'];
type WarmAnswer = Calls['warm']['output'];

/** A list that is kept warm. */
interface KeptList {
  readonly prompts: readonly Uint32Array[];
  readonly salt: string;
  readonly claim: ClaimOptions;
  readonly pin: boolean;
  isRunning: boolean;
}

export interface WarmListener {
  readonly progress: (done: number, total: number) => void;
  readonly done: (answer: WarmAnswer) => void;
  readonly failed: (error: unknown) => void;
}

export interface WarmWay {
  readonly parts: EngineParts;
  readonly prompts: PromptEncoder;
  /** Queues a prompt; returns how to end it. Throws what a refusal means. */
  readonly submit: (
    request: Pick<SequenceRequest, 'prompt' | 'salt' | 'priority' | 'claim'>,
    consumer: SequenceConsumer,
  ) => () => void;
  readonly pin: (prompt: Uint32Array, salt: string, claim: ClaimOptions) => PinResult;
}

export class WarmDesk {
  readonly #way: WarmWay;
  readonly #kept: KeptList[] = [];
  /** What had left the cache by invalidation when the kept lists were last looked at. */
  #removedPages = 0;

  constructor(way: WarmWay) {
    this.#way = way;
  }

  /** Begins to warm a list; returns how to end it. Throws what is wrong with a prompt, before any is computed. */
  warm({ prompts, salt, claim, pin, refresh }: WarmRequest, listener: WarmListener): () => void {
    const { sharing } = this.#way.parts;
    const encoded = prompts.map((prompt) => this.#way.prompts.encodeWarm(prompt));
    const list: KeptList = { prompts: sharing ? encoded : [], salt, claim, pin, isRunning: false };
    if (refresh && sharing) this.#kept.push(list);
    return this.#run(list, list.prompts, listener);
  }

  /** Effect: prompts of kept lists that are no longer in the cache, since they were invalidated, are computed again. O(lists) when none was. */
  refresh(): void {
    const { kv } = this.#way.parts;
    if (!kv || this.#kept.length === 0) return;
    const { removedPages } = kv.stats();
    if (removedPages === this.#removedPages) return;
    this.#removedPages = removedPages;
    for (const list of this.#kept) {
      if (list.isRunning) continue;
      const gone = list.prompts.filter(
        (prompt) => kv.match(prompt, prompt.length, list.salt).matchedTokens < prompt.length - 1,
      );
      if (gone.length > 0) this.#run(list, gone, { progress: () => {}, done: () => {}, failed: () => {} });
    }
  }

  #run(list: KeptList, prompts: readonly Uint32Array[], listener: WarmListener): () => void {
    const { parts, submit, pin } = this.#way;
    const { salt, claim } = list;
    let done = 0;
    const over = () => {
      list.isRunning = false;
    };
    const task = new WarmTask({
      prompts,
      inFlight: 2 * parts.maxSequences,
      submit: (prompt, consumer) => submit({ prompt, salt, claim, priority: LOWEST_PRIORITY }, consumer),
      ...(list.pin ? { pin: (prompt: Uint32Array) => pin(prompt, salt, claim) } : {}),
      warmed: () => {
        done += 1;
        listener.progress(done, prompts.length);
      },
      done: (outcome) => {
        over();
        listener.done(outcome);
      },
      failed: (error) => {
        over();
        listener.failed(error);
      },
    });
    list.isRunning = true;
    task.advance();
    return () => {
      over();
      task.abort();
    };
  }
}
