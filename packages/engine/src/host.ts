/**
 * The engine's state machine behind its protocol: takes a client's messages, drives the step loop, and posts what comes of it.
 * The same host runs in a worker and in the caller's thread.
 *
 *     open --close--> closing --(the running step ends)--> closed
 *     open --(a law is broken)--> broken --close--> closing
 */
import type { FinishReason, SequenceRequest, SequenceUsage } from '@octavo/scheduler';
import { LOWEST_PRIORITY } from './client-requests.ts';
import { type Clock, monotonicMs } from './clock.ts';
import type { EngineParts } from './engine-parts.ts';
import { EngineError, type EngineErrorCode } from './errors.ts';
import type { CallKind, CallMessage, Calls, ClientMessage, CompleteMessage, HostMessage, RequestEvent, RequestId } from './protocol.ts';
import { Completion } from './requests/completion.ts';
import { PromptEncoder } from './requests/prompt-encoder.ts';
import { Sampler } from './requests/sampler.ts';
import { ScoreTask } from './requests/score-task.ts';
import { TextStream } from './requests/text-stream.ts';
import { WarmTask } from './requests/warm-task.ts';
import { type SequenceConsumer, StepLoop } from './step-loop.ts';
import { toWireError } from './wire-error.ts';

type Post = (message: HostMessage) => void;

/** Tokens that a completion may have when neither the request nor the model says. */
const DEFAULT_MAX_TOKENS = 256;

export class EngineHost {
  readonly #parts: EngineParts;
  readonly #post: Post;
  readonly #clock: Clock = monotonicMs;
  readonly #loop: StepLoop;
  readonly #prompts: PromptEncoder;
  /** How to end what is open: generations, scorings, warmings. */
  readonly #open = new Map<RequestId, () => void>();
  /** What happened since the last message to the client. */
  #events: RequestEvent[] = [];
  /** Questions that need a moment without a step in flight. */
  #betweenSteps: (() => void)[] = [];
  #state: 'open' | 'broken' | 'closing' | 'closed' = 'open';
  #isDriving = false;
  /** Set by whatever may have made a step possible; cleared before each attempt, so that none is missed. */
  #hasWork = false;

  constructor(parts: EngineParts, post: Post) {
    this.#parts = parts;
    this.#post = post;
    const { source, store, runner, kv } = parts;
    this.#loop = new StepLoop({ source, store, runner, kv, clock: this.#clock });
    this.#prompts = new PromptEncoder(parts.text, { vocabulary: runner.shape.vocabulary, contextTokens: parts.engine.contextTokens });
    post({ type: 'opened', info: parts.engine });
  }

  /** A message of the client. Never throws, never runs a step: steps have turns of the event loop of their own. */
  receive(message: ClientMessage): void {
    if (message.type === 'complete') this.#complete(message);
    else if (message.type === 'call') this.#call(message);
    else if (message.type === 'abort') this.#open.get(message.id)?.();
    else this.#close();
    this.#flush();
  }

  #complete(message: CompleteMessage): void {
    const { id } = message;
    const fail = (error: unknown) => this.#end({ kind: 'failed', id, error: toWireError(error, 'REQUEST_FAILED') });
    try {
      const prompt = this.#prompts.encode(message.prompt, 1);
      const completion = this.#newCompletion(message, prompt, fail);
      const request = { prompt, salt: message.salt, priority: message.priority, mode: this.#modeOf(message), logits: 'last' } as const;
      this.#open.set(id, this.#submit({ ...request, maxTokens: this.#maxTokens(message, prompt) }, completion));
    } catch (error) {
      fail(error);
    }
  }

  #newCompletion(message: CompleteMessage, prompt: Uint32Array, failed: (error: unknown) => void): Completion {
    const { id, submittedMs } = message;
    return new Completion({
      submittedMs,
      clock: this.#clock,
      sampler: new Sampler(message.sampling, prompt),
      endIds: new Set([...(message.ignoreEos ? [] : this.#parts.endIds), ...message.stopIds]),
      text: this.#parts.text && new TextStream(this.#parts.text, message.stop),
      listener: {
        delta: (ids, text) => this.#events.push({ kind: 'delta', id, ids, text }),
        ended: (outcome) => {
          this.#loop.counters.completionTokens += outcome.usage.completionTokens;
          this.#end({ kind: 'ended', id, outcome });
        },
        failed,
      },
    });
  }

  #end(event: RequestEvent): void {
    this.#open.delete(event.id);
    this.#events.push(event);
  }

  #modeOf(message: CompleteMessage): SequenceRequest['mode'] {
    return this.#parts.sharing ? message.cache : 'bypass';
  }

  #maxTokens(message: CompleteMessage, prompt: Uint32Array): number {
    const wanted = message.maxTokens ?? this.#parts.defaultMaxTokens ?? DEFAULT_MAX_TOKENS;
    return Math.min(wanted, this.#parts.engine.contextTokens - prompt.length);
  }

  /** Queues a sequence; returns how to end it. Throws ENGINE_CLOSED, PROMPT_OVER_POOL, QUEUE_FULL. */
  #submit(request: SequenceRequest, consumer: SequenceConsumer): () => void {
    if (this.#state !== 'open') throw new EngineError('ENGINE_CLOSED', 'The engine was closed: open another one.');
    const submitted = this.#parts.source.submit(request);
    if (!submitted.ok) throw refusal(submitted, request);
    const { sequence } = submitted;
    this.#loop.add(sequence, consumer);
    this.#wake();
    return () => this.#loop.abort(sequence);
  }

  #call(message: CallMessage): void {
    const { id } = message;
    const fail = (error: unknown) => {
      this.#open.delete(id);
      this.#post({ type: 'reply', id, ok: false, error: toWireError(error, 'REQUEST_FAILED') });
    };
    const answer = (output: Calls[CallKind]['output']) => {
      this.#open.delete(id);
      this.#post({ type: 'reply', id, ok: true, output });
    };
    try {
      this.#dispatch(message, answer, fail);
    } catch (error) {
      fail(error);
    }
  }

  #dispatch(message: CallMessage, answer: (output: Calls[CallKind]['output']) => void, fail: (error: unknown) => void): void {
    switch (message.kind) {
      case 'tokenize':
        return answer(Array.from(this.#prompts.text.encode(message.input)));
      case 'detokenize':
        return answer(this.#prompts.text.decode(message.input));
      case 'stats':
        return answer(this.#stats());
      case 'audit':
        this.#betweenSteps.push(() => answer(this.#audit()));
        return this.#wake();
      case 'score': {
        const prompt = this.#prompts.encode(message.input, 0);
        const task = new ScoreTask(prompt, { scored: answer, failed: fail });
        const request = { prompt, maxTokens: 1, salt: '', priority: 0, mode: 'bypass', logits: 'all' } as const;
        this.#open.set(message.id, this.#submit(request, task));
        return;
      }
      case 'warm':
        return this.#warm(message.id, message.input, answer, fail);
    }
  }
}
