/** The public face of the engine: what a serving stack passes in and gets back. */

import type { KvType, ModelTrims, WeightFormat } from '@octavo/graph';
import type { LifetimeDefaults, MissReason, PinResult } from '@octavo/kv';
import type { HubSettings } from '@octavo/models';
import type { FinishReason, SaltQuotaOptions } from '@octavo/scheduler';
import type { CacheRequestOptions, EngineCache, WarmOptions, WarmPrompt, WarmResult } from './cache-api.ts';
import type { CachedFrom } from './cached-from.ts';
import type { ContextDetector } from './context/context-detector.ts';
import type { EngineStats } from './engine-stats.ts';
import type { Message } from './message.ts';
import type { Dropped, Truncation } from './truncation-api.ts';

export type { EngineStats } from './engine-stats.ts';

export interface EngineOptions {
  /** `worker` (default) keeps the caller's event loop free; `in-thread` is for scripts and tests. */
  readonly mode?: 'worker' | 'in-thread';
  /** Default `f32`. */
  readonly weights?: WeightFormat;
  /** What is taken from the model so that its K/V take less memory, at the cost of accuracy. Default: nothing. */
  readonly trims?: ModelTrims;
  /** Pages in the pool (the null page included). Default: enough for `maxSequences` sequences of the whole context, at most 1 GiB. */
  readonly pages?: number;
  /**
   * Bytes of the whole engine: weights, process, and as many pages as then fit. Instead of `pages`. Refused at start, with the numbers, when
   * the machine has less or when not even one request (of `contextTokens`, if given) would fit.
   */
  readonly memory?: number;
  /** How K/V is kept in pages. Default `f32`. */
  readonly kvType?: KvType;
  /**
   * True: a request gives bit-equal logits cold or warm, alone or in a batch, in any chunks, preempted or not. Shared pages are then
   * read once a step in blocks at fixed positions. Default false: the same tokens up to rounding, with groups of pages of any length.
   */
  readonly deterministic?: boolean;
  /**
   * Whether threads of the runtime poll for work for some microseconds before they sleep, within a step only; between steps they sleep.
   * False saves a little power where steps are rare; steps then take up to a quarter longer. Default true.
   */
  readonly spinning?: boolean;
  /**
   * When the system is made to give out the memory of the pages, which otherwise happens at the first write to each and can take a tenth of the
   * time of a prompt in a virtual machine. `idle` (default): while there is nothing to run, two milliseconds at a time, as long as that takes no
   * more than half of the memory that is free; `open`: before the engine is open, which may then take seconds more; `never`: as pages are used.
   */
  readonly commitMemory?: 'idle' | 'open' | 'never';
  /** Tokens a page. Default 16. */
  readonly pageSize?: number;
  /** Sequences in one step at most. Default 16. */
  readonly maxSequences?: number;
  /** Tokens computed in one step at most. Default 256. */
  readonly tokenBudget?: number;
  /**
   * Steps of prompts that may run one after the other while streams that have begun wait for their next token; a step of 256 tokens takes a few
   * tenths of a second. With more of them a burst is answered sooner as a whole, since all of it decodes together, and streams pause for longer. Default 1.
   */
  readonly promptStepsInTurn?: number;
  /** Sequences that may wait. Default 10,000. */
  readonly maxWaiting?: number;
  /** Longest prompt + completion. Default and maximum: the model's context. */
  readonly contextTokens?: number;
  /** False: no prompt reuses another's pages (the ablation). Default true. */
  readonly sharing?: boolean;
  /** False: no K/V at all, the whole sequence is computed again for every token (the baseline). Default true. */
  readonly kvCache?: boolean;
  /** `linear` is the naive index (the ablation). Default `radix`. */
  readonly index?: 'radix' | 'linear';
  /** Threads of the runtime. Default: 1 for models of at most 256 hidden units, else one a processor, at most 8. */
  readonly threads?: number;
  /** Where compiled graphs are kept. Default: OCTAVO_CACHE, else the platform's cache folder. */
  readonly cacheFolder?: string;
  /** Pages that pins may take at most: the rest is always there for requests. Default 0: every pin is refused. */
  readonly pinBudgetPages?: number;
  /** Lifetimes of what is stored, in general, by tag, and of idle sessions. Default: until it has to make room. */
  readonly lifetimes?: LifetimeDefaults;
  /** What the requests of one salt may take at the same time: running ones, and the pages that these may come to need. */
  readonly saltQuota?: SaltQuotaOptions;
  /** Events of the cache that a reader may be behind. Default 10,000. */
  readonly eventBuffer?: number;
  /** What happens to prompts over their limit, unless a request says otherwise. Default `refuse`. */
  readonly truncation?: Truncation;
  /**
   * Says of each request of a session whether its context changed since the one before; then what only that session used goes before the
   * request runs. Runs in the caller's thread. Two come with the package: `tagSets()` and `similarity()`. Default: none.
   */
  readonly contextDetector?: ContextDetector;
  /** Debugging: proves every step plan before its run and that nobody changed it after; a broken one stops the engine. Slow. Default false. */
  readonly verifyPlans?: boolean;
  readonly onProgress?: (progress: OpenProgress) => void;
  /** Which weights to take where a model has several: name of a file, or a pattern with `*`. Default: safetensors, else the best ONNX file. */
  readonly file?: string;
  /** Branch, tag or commit of a model on the hub. Default `main`. */
  readonly revision?: string;
  /** The hub and its cache. Default: what HF_HOME, HF_ENDPOINT, HF_TOKEN and their like say. */
  readonly hub?: HubSettings;
  /** When it fires while the model's files are fetched, opening rejects with its reason. */
  readonly signal?: AbortSignal;
}

export interface OpenProgress {
  /** `download`: bytes of a model from the hub; `notice`: something to know about how the model is run, once, in `message`. */
  readonly status: 'download' | 'read' | 'pack' | 'write' | 'load' | 'ready' | 'notice';
  readonly loaded: number;
  readonly total: number;
  readonly message?: string;
}

export interface SamplingOptions {
  /** 0 (default): greedy. */
  readonly temperature?: number;
  /** 0 (default): off. */
  readonly topK?: number;
  /** 1 (default): off. */
  readonly topP?: number;
  /** 0 (default): off. */
  readonly minP?: number;
  /** 1 (default): off. Applies to prompt and completion. */
  readonly repetitionPenalty?: number;
  /** 0 (default): off. Apply to the completion, as the OpenAI API defines them. */
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  /** Same seed, same tokens, whatever else is in the batch. Default: drawn per request and reported in the result. */
  readonly seed?: number;
}

export interface RequestOptions extends SamplingOptions, CacheRequestOptions {
  /** Default: generation_config.json, else 256; clipped to what the context leaves. */
  readonly maxTokens?: number;
  readonly stop?: readonly string[];
  readonly stopIds?: readonly number[];
  /** Do not stop at the model's end ids. Default false. */
  readonly ignoreEos?: boolean;
  readonly salt?: string;
  readonly priority?: number;
  /** What happens when the prompt is over its limit. Default: what the engine was opened with. */
  readonly truncation?: Truncation;
  /** When it fires, the request ends, its pages return, and iteration and result reject with the signal's reason. */
  readonly signal?: AbortSignal;
}

export type { Message };

export type GenerateRequest = RequestOptions &
  ({ readonly prompt: string } | { readonly ids: readonly number[] | Uint32Array });
export type ChatRequest = RequestOptions & { readonly messages: readonly Message[] };

/**
 * A piece of a stream: all tokens since the last one that was read, and the text that they made certain (absent without a tokenizer;
 * empty while a code point or a possible stop string is incomplete). The end id is among the ids and has no text.
 */
export interface TextDelta {
  readonly text?: string;
  readonly ids: readonly number[];
}

export interface Usage {
  /** Of the prompt that was run. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** The cached tokens by where they were: their sum is `cachedTokens`. */
  readonly cachedFrom: CachedFrom;
  readonly computedTokens: number;
  readonly recomputedTokens: number;
  readonly completionTokens: number;
  readonly preemptions: number;
  readonly missReason: MissReason;
  /** Tokens of prompt and completion that this request put into the cache. */
  readonly storedTokens: number;
  /** What became of `pin`; absent when it was not asked for. */
  readonly pin?: PinResult;
  /** Absent when nothing was dropped. */
  readonly dropped?: Dropped;
}

export interface Timings {
  /** Submission to first admission. */
  readonly queueMs: number;
  /** Submission to first token. */
  readonly ttftMs: number;
  readonly totalMs: number;
  /** Mean time between tokens after the first; 0 with one token. */
  readonly perTokenMs: number;
}

export interface GenerateResult {
  readonly ids: readonly number[];
  /** Absent for a model folder without a tokenizer. */
  readonly text?: string;
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  readonly timings: Timings;
  readonly seed: number;
}

/**
 * A running request: iterate for deltas, or await the result, or both. The engine never waits for a reader. Whatever is wrong with the
 * request rejects both; nothing is thrown where it is made.
 */
export interface Generation extends AsyncIterable<TextDelta> {
  /** Resolves at the end, whether or not anybody iterates. */
  result(): Promise<GenerateResult>;
  /** Ends the request quietly: the result is what there is, with finish reason `abort`. Leaving the iteration early does the same. */
  abort(): void;
}

export interface ScoreResult {
  /** [tokens] greedy next id at each position. */
  readonly argmax: readonly number[];
  /** [vocabulary] logits at the last position. */
  readonly lastLogits: readonly number[];
  /** [tokens - 1] natural logarithm of the probability of each next token. */
  readonly logprobs: readonly number[];
  /** exp(-mean logprob); absent for a single token. */
  readonly perplexity?: number;
}

/** Less memory for K/V. A window saves none of it: pages are kept as long as their sequence lives, but fewer are read. */
export interface MemorySaving {
  readonly trim: 'dropLayers' | 'kvHeads' | 'windowTokens' | 'kvType';
  readonly bytesPerTokenSaved: number;
}

export interface EngineInfo {
  readonly shape: import('@octavo/graph').ModelShape;
  readonly weights: WeightFormat;
  readonly fingerprint: string;
  readonly pages: number;
  readonly pageSize: number;
  readonly contextTokens: number;
  readonly hasTokenizer: boolean;
  readonly hasChatTemplate: boolean;
  /** What a person should know about how this model is run, in sentences; usually nothing. */
  readonly notices: readonly string[];
  readonly kvType: KvType;
  /** K and V of all layers, in the format of the pages. */
  readonly bytesPerToken: number;
  /** What each trim, and the format of pages, saved of the bytes of a token, in the order in which they were made. Empty: nothing was. */
  readonly savings: readonly MemorySaving[];
  /** What the engine is expected to take in memory when all pages are in use: weights, pools, process. */
  readonly expectedBytes: number;
}

/**
 * An open model. Everything that goes wrong is an `EngineError` with a code (codes of the other packages included: an error keeps its
 * code across the thread border); an abort rejects with the signal's reason. Nothing here throws before it has returned.
 */
export interface Engine extends AsyncDisposable {
  readonly info: EngineInfo;
  /** What is in the cache and for how long. */
  readonly cache: EngineCache;
  generate(request: GenerateRequest): Generation;
  chat(request: ChatRequest): Generation;
  score(request: { readonly text: string } | { readonly ids: readonly number[] | Uint32Array }): Promise<ScoreResult>;
  /**
   * Computes the K/V of prompts, so that the first request that starts with one finds it. Runs behind all requests, in steps that would be
   * idle. All prompts are checked before the first is computed. Does nothing where nothing is kept (`sharing` or `kvCache` false).
   */
  warm(prompts: readonly WarmPrompt[], options?: WarmOptions): Promise<WarmResult>;
  /** Ids of a text, with the model's special tokens recognised. Throws TOKENIZER_MISSING. */
  tokenize(text: string): Promise<readonly number[]>;
  /** Text of ids, special tokens included: the inverse of `tokenize`. Throws TOKENIZER_MISSING. */
  detokenize(ids: readonly number[]): Promise<string>;
  stats(): Promise<EngineStats>;
  /** Violated invariants; empty when healthy. */
  audit(): Promise<readonly string[]>;
  /** Refuses new work, aborts what runs, awaits the running step, frees. Idempotent; every caller gets the same promise. */
  close(): Promise<void>;
}
