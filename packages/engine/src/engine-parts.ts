/** What a host drives, put together from a runner and a configuration. Knows nothing of model files: see open-model.ts. */
import type { ModelShape } from '@octavo/graph';
import { checkKv, createKvCache, type KvCache, type KvStats } from '@octavo/kv';
import { checkScheduler, createScheduler, RecomputeScheduler, type StepSource } from '@octavo/scheduler';
import type { TextCodec } from '@octavo/text';
import type { EngineInfo } from './api.ts';
import { CacheFiles, type CacheFilesParts } from './cache-file/cache-files.ts';
import { nodeFiles } from './cache-file/file-port.ts';
import { type EngineTime, systemTime } from './clock.ts';
import type { EngineConfig } from './engine-config.ts';
import { EngineError } from './errors.ts';
import { DEFAULT_MAX_TOKENS } from './generation-config.ts';
import type { ModelRunner } from './model-runner.ts';
import { CommitAhead } from './storage/commit-ahead.ts';
import { availableBytes, PROCESS_BYTES, pagesWithin } from './storage/memory-plan.ts';
import { bytesPerToken, PageLayout } from './storage/page-layout.ts';
import { PageStore } from './storage/page-store.ts';
import { savingsOf } from './storage/savings.ts';
import { Openings } from './warm/openings.ts';

/** Bytes of the pools unless told otherwise, at most. */
const DEFAULT_POOL_BYTES = 2 ** 30;

/** What a memory has to hold at least when no context was asked for: a short question and its answer. */
const LEAST_REQUEST_TOKENS = 256;

/** What is executed, and what is known about it. */
export interface ModelParts {
  readonly runner: ModelRunner;
  /** Absent: ids only. */
  readonly text?: TextCodec;
  /** Ids that end a completion unless it ignores them. */
  readonly endIds?: readonly number[];
  /** Tokens of a completion when a request does not say, after a prompt of so many tokens; default 256. */
  readonly defaultMaxTokens?: (promptTokens: number) => number;
  /** Names the meaning of K/V; default: the architecture. */
  readonly fingerprint?: string;
  /** The shape before trims; absent: there were none. */
  readonly untrimmed?: ModelShape;
  /** Names the meaning of token ids; default: that there is no tokenizer. */
  readonly tokenizerFingerprint?: string;
  /** Bytes of the weights in memory, for `memory`; default 0. */
  readonly weightBytes?: number;
  /** A chunk of so many tokens is faster in a step of its own; absent: none is. */
  readonly longChunkTokens?: number;
  /** What a person should know about how the model is run; default none. */
  readonly notices?: readonly string[];
}

export interface EngineParts extends ModelParts {
  readonly time: EngineTime;
  readonly store: PageStore;
  /** Absent where memory is committed as pages are used. */
  readonly commitAhead: CommitAhead | undefined;
  readonly source: StepSource;
  /** Absent for the recompute baseline. */
  readonly kv: KvCache | undefined;
  /** What prompts began with. */
  readonly openings: Openings;
  /** Absent where no K/V is kept. */
  readonly cacheFiles: CacheFiles | undefined;
  readonly sharing: boolean;
  readonly maxSequences: number;
  /** Tokens whose K/V one sequence can have at most. */
  readonly sequenceTokens: number;
  readonly defaultMaxTokens: (promptTokens: number) => number;
  readonly engine: EngineInfo;
  /** Violated laws of index, scheduler and store; only between steps. */
  readonly audit: () => string[];
}

/**
 * Reserves the pools, commits their memory if it is to be there when the engine opens, and makes cache and scheduler over them. Rejects with
 * INVALID_OPTION, POOL_NOT_ALLOCATED, and what they throw.
 */
export async function assembleEngine(
  model: ModelParts,
  config: EngineConfig,
  time: EngineTime = systemTime,
): Promise<EngineParts> {
  const { shape } = model.runner;
  const contextTokens = config.contextTokens ?? shape.contextTokens;
  if (contextTokens > shape.contextTokens) {
    throw new EngineError(
      'INVALID_OPTION',
      `contextTokens is ${contextTokens}: the model has ${shape.contextTokens}, give at most that.`,
      {
        details: { contextTokens, modelContextTokens: shape.contextTokens },
      },
    );
  }
  const { pageSize, maxSequences, kvType, commitMemory } = config;
  const pages = choosePages(model, config, contextTokens);
  const store = new PageStore(new PageLayout(shape, { pages, pageSize, kvType }));
  const engine: EngineInfo = {
    shape,
    weights: config.weights,
    fingerprint: model.fingerprint ?? shape.architecture,
    pages,
    pageSize,
    contextTokens,
    hasTokenizer: model.text !== undefined,
    hasChatTemplate: model.text?.hasChatTemplate ?? false,
    notices: model.notices ?? [],
    kvType,
    bytesPerToken: bytesPerToken(shape, kvType),
    savings: savingsOf(model.untrimmed ?? shape, shape, kvType),
    expectedBytes: PROCESS_BYTES + (model.weightBytes ?? 0) + store.layout.totalBytes,
  };
  const defaultMaxTokens = model.defaultMaxTokens ?? (() => DEFAULT_MAX_TOKENS);
  const openings = new Openings({ pageSize, clock: time.clock });
  const source = stepSource(config, { ...model, store, windows: shape.windows, time });
  const cacheFiles = source.kv && openCacheFiles(model, engine, { kv: source.kv, store, openings, ...time });
  const commitAhead =
    commitMemory === 'never' ? undefined : new CommitAhead({ store, clock: time.clock, availableBytes });
  if (commitMemory === 'open') await commitAhead?.all();
  return {
    ...model,
    time,
    store,
    commitAhead,
    maxSequences,
    engine,
    defaultMaxTokens,
    openings,
    cacheFiles,
    ...source,
  };
}

function openCacheFiles(
  model: ModelParts,
  { shape, weights, fingerprint, kvType, pageSize }: EngineInfo,
  parts: Pick<CacheFilesParts, 'kv' | 'store' | 'openings' | 'clock' | 'wallClock'>,
): CacheFiles {
  const { layers, kvHeads, headDim } = shape;
  const tokenizer = model.tokenizerFingerprint ?? '';
  const identity = { model: fingerprint, weights, tokenizer, kvType, pageSize, layers, kvHeads, headDim };
  const { kv, store, openings, clock, wallClock } = parts;
  return new CacheFiles({ kv, store, openings, clock, wallClock, identity, files: nodeFiles });
}

/** Pages of the pool: as given, as many as the memory holds, or the default. */
function choosePages(model: ModelParts, config: EngineConfig, contextTokens: number): number {
  const { shape } = model.runner;
  const { kvType, pageSize, maxSequences, memory } = config;
  // Without K/V, the graph still wants pools: the null page and one more.
  if (!config.kvCache) return 2;
  if (memory !== undefined) {
    const leastTokens = config.contextTokens ?? LEAST_REQUEST_TOKENS;
    return pagesWithin({ memory, weightBytes: model.weightBytes ?? 0, shape, kvType, pageSize, leastTokens });
  }
  return config.pages ?? defaultPages({ contextTokens, pageSize, maxSequences }, bytesPerToken(shape, kvType));
}

/** Pages (the null page included) for as many sequences as run at once, each with the whole context, within the default memory. Pure. */
export function defaultPages(
  need: { contextTokens: number; pageSize: number; maxSequences: number },
  tokenBytes: number,
): number {
  const wanted = need.maxSequences * Math.ceil(need.contextTokens / need.pageSize) + 1;
  const affordable = Math.floor(DEFAULT_POOL_BYTES / (tokenBytes * need.pageSize));
  return Math.max(2, Math.min(wanted, affordable));
}

type SourceParts = Pick<EngineParts, 'source' | 'kv' | 'sharing' | 'sequenceTokens' | 'audit'>;

interface SourceNeeds extends Pick<ModelShape, 'windows'>, Pick<ModelParts, 'longChunkTokens'> {
  readonly store: PageStore;
  readonly time: EngineTime;
}

function stepSource(config: EngineConfig, { store, windows, longChunkTokens, time }: SourceNeeds): SourceParts {
  const { maxSequences, tokenBudget, promptStepsInTurn, maxWaiting, index, verifyPlans } = config;
  const limits = { maxSequences, tokenBudget, maxWaiting };
  if (!config.kvCache) {
    const source = new RecomputeScheduler(limits);
    return {
      source,
      kv: undefined,
      sharing: false,
      sequenceTokens: Number.POSITIVE_INFINITY,
      audit: () => store.check(),
    };
  }
  const { pages, pageSize } = store.layout;
  const { pinBudgetPages, lifetimes, eventBuffer, saltQuota } = config;
  const kv = createKvCache({ pages, pageSize, index, pinBudgetPages, lifetimes, eventBuffer, clock: time.clock });
  const source = createScheduler({
    ...limits,
    kv,
    windows,
    saltQuota,
    promptStepsInTurn,
    ...(longChunkTokens === undefined ? {} : { longChunkTokens }),
    // A fixed grid makes its own groups, from each sequence's pages.
    attention: config.deterministic ? 'flat' : 'levels',
    checks: verifyPlans ? 'every-step' : 'none',
  });
  const audit = () => [...checkKv(kv), ...checkScheduler(source), ...store.check()];
  return { source, kv, sharing: config.sharing, sequenceTokens: source.maxSequencePages * pageSize, audit };
}

/** What `stats` says of the cache when there is none. */
export const NO_KV_STATS: KvStats = Object.freeze({
  ...createKvCache({ pages: 2, pageSize: 1 }).stats(),
  totalPages: 0,
  freePages: 0,
});
