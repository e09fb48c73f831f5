/** Engine options, checked and filled in: a frozen value that crosses the thread border. */
import type { KvType, ModelTrims, WeightFormat } from '@octavo/graph';
import type { LifetimeDefaults } from '@octavo/kv';
import type { SaltQuotaOptions } from '@octavo/scheduler';
import type { EngineOptions } from './api.ts';
import {
  type CheckTable,
  checkOptions,
  integerIn,
  isAnything,
  isBoolean,
  isFunction,
  isSignal,
  isText,
  oneOf,
} from './checks.ts';
import { EngineError } from './errors.ts';

/** Everything that decides how an engine runs; what is absent follows from the model. */
export interface EngineConfig {
  readonly trims?: ModelTrims;
  readonly weights: WeightFormat;
  readonly pages?: number;
  /** Bytes. */
  readonly memory?: number;
  readonly kvType: KvType;
  readonly deterministic: boolean;
  readonly spinning: boolean;
  readonly commitMemory: NonNullable<EngineOptions['commitMemory']>;
  readonly pageSize: number;
  readonly maxSequences: number;
  readonly tokenBudget: number;
  readonly promptStepsInTurn: number;
  readonly maxWaiting: number;
  readonly contextTokens?: number;
  readonly sharing: boolean;
  readonly kvCache: boolean;
  readonly index: 'radix' | 'linear';
  readonly threads?: number;
  readonly cacheFolder?: string;
  readonly verifyPlans: boolean;
  readonly pinBudgetPages: number;
  readonly lifetimes: LifetimeDefaults;
  readonly saltQuota: SaltQuotaOptions;
  readonly eventBuffer: number;
}

const checks: CheckTable<EngineOptions> = {
  mode: oneOf('worker', 'in-thread'),
  weights: oneOf('f32', 'q8', 'q4', 'w8a8', 'q4+w8a8'),
  // Checked by the compiler, who knows the model.
  trims: isAnything,
  // The null page takes one.
  pages: integerIn(2),
  memory: integerIn(1),
  kvType: oneOf('f32', 'f16', 'int8'),
  deterministic: isBoolean,
  spinning: isBoolean,
  commitMemory: oneOf('idle', 'open', 'never'),
  pageSize: integerIn(1),
  maxSequences: integerIn(1),
  tokenBudget: integerIn(1),
  promptStepsInTurn: integerIn(1),
  maxWaiting: integerIn(1),
  // One token of prompt and one of completion.
  contextTokens: integerIn(2),
  sharing: isBoolean,
  kvCache: isBoolean,
  index: oneOf('radix', 'linear'),
  threads: integerIn(1, 1024),
  cacheFolder: isText,
  contextDetector: isFunction,
  // Checked where it is kept: in the caller's thread.
  truncation: isAnything,
  verifyPlans: isBoolean,
  pinBudgetPages: integerIn(0),
  // Checked by the packages that they are for.
  lifetimes: isAnything,
  saltQuota: isAnything,
  eventBuffer: integerIn(0),
  onProgress: isFunction,
  file: isText,
  revision: isText,
  // Made by `hubSettings`.
  hub: isAnything,
  signal: isSignal,
};

/** Checks every option and fills in what does not depend on the model. Pure. Throws UNKNOWN_OPTION, INVALID_OPTION. */
export function engineConfig(options: EngineOptions): EngineConfig {
  checkOptions('the options of the engine', options, checks);
  const { pages, memory, contextTokens, threads, cacheFolder, trims } = options;
  if (pages !== undefined && memory !== undefined) {
    throw new EngineError('INVALID_OPTION', `pages is ${pages} and memory ${memory}: give one of them.`, {
      details: { pages, memory },
    });
  }
  return Object.freeze({
    weights: options.weights ?? 'f32',
    kvType: options.kvType ?? 'f32',
    deterministic: options.deterministic ?? false,
    spinning: options.spinning ?? true,
    commitMemory: options.commitMemory ?? 'idle',
    pageSize: options.pageSize ?? 16,
    maxSequences: options.maxSequences ?? 16,
    tokenBudget: options.tokenBudget ?? 256,
    promptStepsInTurn: options.promptStepsInTurn ?? 1,
    maxWaiting: options.maxWaiting ?? 10_000,
    sharing: options.sharing ?? true,
    kvCache: options.kvCache ?? true,
    index: options.index ?? 'radix',
    verifyPlans: options.verifyPlans ?? false,
    pinBudgetPages: options.pinBudgetPages ?? 0,
    lifetimes: options.lifetimes ?? {},
    saltQuota: options.saltQuota ?? {},
    eventBuffer: options.eventBuffer ?? 10_000,
    ...(pages === undefined ? {} : { pages }),
    ...(memory === undefined ? {} : { memory }),
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(threads === undefined ? {} : { threads }),
    ...(cacheFolder === undefined ? {} : { cacheFolder }),
    ...(trims === undefined ? {} : { trims }),
  });
}
