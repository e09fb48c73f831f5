/** Where messages become sequences: encodes prompts, queues them, and says who takes what they yield. Holds what is open, by id. */
import type { SequenceRequest } from '@octavo/scheduler';
import type { EngineStats } from '../api.ts';
import { NO_FILE_STATS } from '../cache-file/cache-files.ts';
import type { Clock } from '../clock.ts';
import { type EngineParts, NO_KV_STATS } from '../engine-parts.ts';
import type {
  CallMessage,
  Calls,
  CompleteMessage,
  Outcome,
  PromptInput,
  Reply,
  RequestEvent,
  RequestId,
} from '../protocol.ts';
import type { TokenHistory } from '../sampling/penalties.ts';
import { TokenSampler } from '../sampling/token-sampler.ts';
import type { SequenceConsumer, StepLoop } from '../step-loop.ts';
import { toWireError } from '../wire-error.ts';
import { abortedBefore } from './aborted-before.ts';
import { CacheDesk } from './cache-desk.ts';
import { CacheFileDesk, isCacheFileCall } from './cache-file-desk.ts';
import { Completion } from './completion.ts';
import { PromptEncoder } from './prompt-encoder.ts';
import { type FittedPrompt, PromptFitter } from './prompt-fitter.ts';
import { refusal } from './refusal.ts';
import { Sampler } from './sampler.ts';
import { ScoreTask } from './score-task.ts';
import { type Settle, settled } from './settle.ts';
import { TextStream } from './text-stream.ts';
import { WarmDesk } from './warm-desk.ts';
import { WindowSlider } from './window-slider.ts';

/** The desk's way out. */
export interface Outlet {
  readonly event: (event: RequestEvent) => void;
  readonly reply: (reply: Reply) => void;
  readonly progress: (id: RequestId, done: number, total: number) => void;
  /** There may be something to run. Throws ENGINE_CLOSED when nothing is run any more. */
  readonly wake: () => void;
  /** Calls back when no step is in flight. */
  readonly betweenSteps: (work: () => void) => void;
}

type Fits = Extract<FittedPrompt, { readonly kind: 'fits' }>;
type HistoryOf = (sequence: number) => TokenHistory;

interface CompletionWay {
  readonly historyOf: HistoryOf;
  readonly windowTokens: () => number;
  readonly failed: (error: unknown) => void;
}

export class RequestDesk {
  readonly #parts: EngineParts;
  readonly #loop: StepLoop;
  readonly #clock: Clock;
  readonly #outlet: Outlet;
  readonly #prompts: PromptEncoder;
  readonly #fitter: PromptFitter;
  readonly #warmer: WarmDesk;
  readonly #cacheFiles: CacheFileDesk;
  readonly #cache: CacheDesk;
  /** Scratch memory of all requests that sample. */
  readonly #sampler: TokenSampler;
  /** How to end what is open: generations, scorings, warmings. */
  readonly #open = new Map<RequestId, () => void>();

  constructor(parts: EngineParts, driven: { readonly loop: StepLoop; readonly clock: Clock }, outlet: Outlet) {
    const { vocabulary } = parts.runner.shape;
    this.#parts = parts;
    this.#loop = driven.loop;
    this.#clock = driven.clock;
    this.#outlet = outlet;
    this.#prompts = new PromptEncoder(parts.text, { vocabulary, contextTokens: parts.engine.contextTokens });
    const { sequenceTokens, defaultMaxTokens } = parts;
    const { contextTokens } = parts.engine;
    this.#fitter = new PromptFitter(this.#prompts, { contextTokens, sequenceTokens, defaultMaxTokens });
    this.#cacheFiles = new CacheFileDesk(parts, outlet.betweenSteps);
    const afterFiles = (work: () => void) => this.#cacheFiles.afterFiles(work);
    const tools = { prompts: this.#prompts, betweenSteps: outlet.betweenSteps, afterFiles };
    this.#cache = new CacheDesk(parts.kv, tools, parts.cacheFiles);
    const rest = { maxTokens: 1, mode: 'share', logits: 'last' } as const;
    this.#warmer = new WarmDesk({
      parts,
      prompts: this.#prompts,
      submit: (request, consumer) => this.#submit({ ...request, ...rest }, consumer),
      pin: (prompt, salt, claim) => this.#cache.pin(prompt, salt, claim),
    });
    this.#sampler = new TokenSampler(vocabulary);
  }

  /** Begins a generation, or goes on with one whose prompt the caller had to shorten; what is wrong with it comes back as an event. */
  complete(message: CompleteMessage): void {
    const { id } = message;
    const fail = (error: unknown) => this.#end({ kind: 'failed', id, error: toWireError(error, 'REQUEST_FAILED') });
    try {
      const fitted = this.#fitter.fit(message);
      if (fitted.kind === 'fits') this.#start(message, fitted, fail);
      else {
        this.#open.set(id, () => this.#end({ kind: 'ended', id, outcome: abortedBefore(message, this.#clock()) }));
        this.#outlet.event({ kind: 'over-limit', id, ids: Array.from(fitted.tokens), limitTokens: fitted.limitTokens });
      }
    } catch (error) {
      fail(error);
    }
  }

  /** Answers a question, now or later; what is wrong with it comes back as the reply. */
  call(message: CallMessage): void {
    const { id } = message;
    const settle: Settle = {
      answer: (output) => {
        this.#open.delete(id);
        this.#outlet.reply({ type: 'reply', id, ok: true, output });
      },
      fail: (error) => {
        this.#open.delete(id);
        this.#outlet.reply({ type: 'reply', id, ok: false, error: toWireError(error, 'REQUEST_FAILED') });
      },
    };
    try {
      this.#dispatch(message, settle);
    } catch (error) {
      settle.fail(error);
    }
  }

  /** Ends what is open under an id; others are ignored. */
  abort(id: RequestId): void {
    this.#open.get(id)?.();
  }

  /** Ends everything. */
  abortAll(): void {
    for (const end of [...this.#open.values()]) end();
  }

  #dispatch(message: CallMessage, settle: Settle): void {
    const { kind, input } = message;
    if (kind === 'tokenize') settle.answer(Array.from(this.#prompts.text.encode(input)));
    else if (kind === 'encode') settle.answer(Array.from(this.#prompts.encodeAny(input)));
    else if (kind === 'detokenize') settle.answer(this.#prompts.text.decode(input, { specialTokens: 'keep' }));
    else if (kind === 'stats') settle.answer(this.#stats());
    else if (kind === 'audit') this.#outlet.betweenSteps(() => settled(settle, () => this.#audit()));
    else if (kind === 'score') this.#score(message.id, input, settle);
    else if (kind === 'warm') this.#warm(message.id, input, settle);
    else if (isCacheFileCall(message)) this.#cacheFiles.ask(message, settle);
    else {
      if (kind === 'cache-events') this.#open.set(message.id, () => this.#cache.forget(message.id));
      this.#cache.ask(message, settle);
    }
  }

  #start(message: CompleteMessage, fitted: Fits, failed: (error: unknown) => void): void {
    const { id, salt, priority, cache } = message;
    const { tokens: prompt, headTokens } = fitted;
    const mode = this.#parts.sharing ? cache : 'bypass';
    if (mode === 'share') this.#parts.openings.observe(salt, prompt);
    const { claim, breakpoints } = message.lifetime;
    const positions = this.#prompts.positionsOf(message.prompt, breakpoints, prompt);
    const kept = positions.length === 0 ? {} : { breakpoints: positions };
    const rest = { salt, priority, logits: 'last', claim, ...kept } as const;
    const completionOf = (historyOf: HistoryOf, windowTokens: () => number) =>
      this.#newCompletion(message, fitted, { historyOf, windowTokens, failed });
    if (message.truncation.whileGenerating === 'stop') {
      const maxTokens = this.#maxTokens(message, prompt);
      const completion = completionOf(
        (sequence) => this.#parts.source.tokensOf(sequence),
        () => 0,
      );
      this.#open.set(id, this.#submit({ prompt, maxTokens, mode, ...rest }, completion));
      return;
    }
    const slider = new WindowSlider({
      prompt,
      maxTokens: message.maxTokens ?? this.#parts.defaultMaxTokens(prompt.length),
      roomTokens: this.#fitter.roomTokens,
      headTokens,
      // Nobody else will ask for a head with the middle of an answer behind it.
      submit: ({ droppedTokens, ...segment }, consumer) =>
        this.#submit(
          { ...segment, mode: droppedTokens > 0 && mode === 'share' ? 'use-only' : mode, ...rest },
          consumer,
        ),
    });
    slider.start(
      completionOf(
        () => slider.history,
        () => slider.windowTokens,
      ),
    );
    this.#open.set(id, () => slider.abort());
  }

  #newCompletion(message: CompleteMessage, fitted: Fits, way: CompletionWay): Completion {
    const { id, submittedMs } = message;
    const endIds = message.ignoreEos ? [] : (this.#parts.endIds ?? []);
    return new Completion({
      submittedMs,
      clock: this.#clock,
      sampler: new Sampler(message.sampling, this.#sampler, way.historyOf),
      endIds: new Set([...endIds, ...message.stopIds]),
      text: this.#textStream(message, fitted.tokens),
      dropped: () => ({ ...fitted.dropped, windowTokens: way.windowTokens() }),
      listener: {
        delta: (ids, text) => this.#outlet.event({ kind: 'delta', id, ids, text }),
        ended: (outcome) => {
          this.#loop.counters.completionTokens += outcome.usage.completionTokens;
          this.#end({ kind: 'ended', id, outcome: this.#pinned(message, fitted.tokens, outcome) });
        },
        failed: way.failed,
      },
    });
  }

  /** Pins the prompt of a request that asked for it, now that it is stored. */
  #pinned({ salt, lifetime }: CompleteMessage, prompt: Uint32Array, outcome: Outcome): Outcome {
    if (!lifetime.pin || outcome.finishReason === 'error') return outcome;
    return { ...outcome, usage: { ...outcome.usage, pin: this.#cache.pin(prompt, salt, lifetime.claim) } };
  }

  /** Throws TOKENIZER_MISSING when stop strings would never be seen. */
  #textStream({ stop }: CompleteMessage, prompt: Uint32Array): TextStream | undefined {
    if (!this.#parts.text && stop.length === 0) return undefined;
    return new TextStream(this.#prompts.text, { stop, prompt });
  }

  #maxTokens(message: CompleteMessage, prompt: Uint32Array): number {
    const inContext = this.#parts.engine.contextTokens - prompt.length;
    if (message.maxTokens !== undefined && message.truncation.policy === 'refuse') {
      return Math.min(message.maxTokens, inContext);
    }
    // The last token of a completion is never run, so it needs no page. At least 1: what still does not fit is the scheduler's to refuse.
    const inPool = Math.max(1, this.#parts.sequenceTokens - prompt.length + 1);
    return Math.min(message.maxTokens ?? this.#parts.defaultMaxTokens(prompt.length), inContext, inPool);
  }

  #score(id: RequestId, input: PromptInput, settle: Settle): void {
    const prompt = this.#prompts.encode(input);
    const task = new ScoreTask(prompt, { scored: settle.answer, failed: settle.fail });
    const request = { prompt, maxTokens: 1, salt: '', priority: 0, mode: 'bypass', logits: 'all' } as const;
    this.#open.set(id, this.#submit(request, task));
  }

  #warm(id: RequestId, input: Calls['warm']['input'], settle: Settle): void {
    const end = this.#warmer.warm(input, {
      progress: (done, total) => this.#outlet.progress(id, done, total),
      done: settle.answer,
      failed: settle.fail,
    });
    this.#open.set(id, end);
  }

  /** Effect: goes on with what is done when nothing else is to do. Only between steps. */
  betweenSteps(): void {
    this.#warmer.refresh();
  }

  /** Queues a sequence; returns how to end it. Throws ENGINE_CLOSED, PROMPT_OVER_POOL, QUEUE_FULL. */
  #submit(request: SequenceRequest, consumer: SequenceConsumer): () => void {
    this.#outlet.wake();
    const { prompt, salt, mode, claim } = request;
    this.#parts.cacheFiles?.observe({ salt, ...claim });
    const asked = { salt, tokens: prompt, tokenCount: prompt.length };
    const loaded = mode === 'bypass' ? undefined : this.#parts.cacheFiles?.load(asked);
    const submitted = this.#parts.source.submit(request);
    if (!submitted.ok) throw refusal(submitted, request);
    const { sequence } = submitted;
    this.#loop.add(sequence, consumer, loaded);
    return () => this.#loop.abort(sequence);
  }

  #end(event: RequestEvent): void {
    this.#open.delete(event.id);
    this.#outlet.event(event);
  }

  #stats(): EngineStats {
    const { source, kv } = this.#parts;
    const { stepMs, ...counts } = this.#loop.counters;
    const { waitingCount: waiting, runningCount: running } = source;
    const cacheFile = this.#parts.cacheFiles?.stats() ?? NO_FILE_STATS;
    return { kv: kv ? kv.stats() : NO_KV_STATS, waiting, running, ...counts, cacheFile, stepMs: { ...stepMs } };
  }

  #audit(): string[] {
    const violations = this.#parts.audit();
    const leases = this.#parts.kv?.stats().leases ?? 0;
    if (this.#loop.liveCount === 0 && leases > 0) {
      violations.push(`law 10: nobody waits for anything, but ${leases} leases are held`);
    }
    return violations;
  }
}
