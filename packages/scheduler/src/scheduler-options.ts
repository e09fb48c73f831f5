import type { KvCache } from '@octavo/kv';
import type { AttentionMode } from './attention-planner.ts';
import { type AttentionCosts, MEASURED_COSTS } from './cost-model.ts';
import { SchedulerError } from './errors.ts';
import type { SaltQuotaOptions } from './salt-quota.ts';

/** Limits of any step source. */
export interface StepLimits {
  /** Sequences that run at the same time, so in one step, at most; at least 1. */
  readonly maxSequences: number;
  /** Tokens (rows) computed in one step at most; at least 1. */
  readonly tokenBudget: number;
  /** Sequences that may wait (preempted ones come on top); at least 1. */
  readonly maxWaiting: number;
}

export interface SchedulerOptions extends StepLimits {
  /** The cache whose pages the sequences live in; nobody else should hold leases of it for long. */
  readonly kv: KvCache;
  /** Pages kept free or evictable when admitting, so that running sequences can grow. Default: 1 % of the pages, rounded down. */
  readonly watermarkPages?: number;
  /** False: equal cold prefixes are computed by each request for itself (the ablation). Default true. */
  readonly singleFlight?: boolean;
  /** What the sequences of one salt may take at the same time. Default: no limits of its own. */
  readonly saltQuota?: SaltQuotaOptions;
  /** `flat`: no page is shared between sequences within a step (the ablation). Default `levels`. */
  readonly attention?: AttentionMode;
  /**
   * A chunk of at least so many tokens has a step of its own, in turn with steps of all others: for executors that run a chunk of one
   * sequence faster than rows of several. Default: none has.
   */
  readonly longChunkTokens?: number;
  /**
   * Steps of prompts (long chunks, and with more than one also short chunks that are as long together) that run one after the other while
   * sequences that decode wait. More: a burst is through sooner, and streams that run already pause for longer. Default 1.
   */
  readonly promptStepsInTurn?: number;
  /** Sliding windows of the model's layers, in tokens, each at least 1: plans then say what layers with a window read. Default none. */
  readonly windows?: readonly number[];
  /** What the attention planner weighs. Default: as measured, see `cost-model.ts`; measure again for other machines or models. */
  readonly attentionCosts?: AttentionCosts;
  /**
   * `every-step` proves each plan (`checkPlan`) before it is handed out, and at its commit that nobody changed it: for tests and for
   * developers of executors; costs far more than planning. Default `none`.
   */
  readonly checks?: 'none' | 'every-step';
}

export type RecomputeOptions = StepLimits;

const COSTS = ['gather', 'score', 'level', 'merge'] as const;
const LIMITS = ['maxSequences', 'tokenBudget', 'maxWaiting'] as const;
const OPTIONS = [
  ...LIMITS,
  'kv',
  'watermarkPages',
  'singleFlight',
  'saltQuota',
  'attention',
  'longChunkTokens',
  'promptStepsInTurn',
  'windows',
  'attentionCosts',
  'checks',
];

/** The options with every default filled in, frozen. Throws `INVALID_OPTION`. */
export function resolvedOptions(options: SchedulerOptions): Required<SchedulerOptions> {
  assertKnown(options, OPTIONS);
  assertLimits(options);
  const { kv, singleFlight = true, attention = 'levels', attentionCosts = MEASURED_COSTS } = options;
  const { windows = [], checks = 'none', saltQuota = {}, longChunkTokens = Number.POSITIVE_INFINITY } = options;
  const { promptStepsInTurn = 1 } = options;
  if (!kv) throw invalid('kv is missing; give what createKvCache made.');
  if (attention !== 'levels' && attention !== 'flat')
    throw invalid(`attention is ${attention}; give 'levels' or 'flat'.`);
  if (checks !== 'none' && checks !== 'every-step') throw invalid(`checks is ${checks}; give 'none' or 'every-step'.`);
  assertQuota(saltQuota);
  const watermarkPages = options.watermarkPages ?? Math.floor((kv.pages - 1) / 100);
  const spare = kv.pages - 1 - kv.pinBudgetPages;
  if (!Number.isInteger(watermarkPages) || watermarkPages < 0 || watermarkPages >= spare) {
    const most = spare - 1;
    throw invalid(`watermarkPages is ${watermarkPages}; give a whole number of pages from 0 to ${most}.`);
  }
  if (longChunkTokens !== Number.POSITIVE_INFINITY && (!Number.isInteger(longChunkTokens) || longChunkTokens < 2))
    throw invalid(`longChunkTokens is ${longChunkTokens}; give a whole number of tokens, at least 2.`);
  if (!Number.isInteger(promptStepsInTurn) || promptStepsInTurn < 1)
    throw invalid(`promptStepsInTurn is ${promptStepsInTurn}; give a whole number of steps, at least 1.`);
  for (const window of windows) {
    if (!Number.isInteger(window) || window < 1)
      throw invalid(`windows has ${window}; give whole numbers of tokens, each at least 1.`);
  }
  for (const name of COSTS) {
    const cost = attentionCosts[name];
    if (!Number.isInteger(cost) || cost < 0)
      throw invalid(`attentionCosts.${name} is ${cost}; give a whole number from 0.`);
  }
  return Object.freeze({
    ...options,
    kv,
    watermarkPages,
    singleFlight,
    saltQuota,
    attention,
    longChunkTokens,
    promptStepsInTurn,
    windows,
    attentionCosts,
    checks,
  });
}

function assertQuota(quota: SaltQuotaOptions): void {
  assertKnown(quota, ['maxRunning', 'maxPages']);
  for (const name of ['maxRunning', 'maxPages'] as const) {
    const value = quota[name];
    if (value !== undefined && (!Number.isInteger(value) || value < 1)) {
      throw invalid(`saltQuota.${name} is ${value}; give a whole number, at least 1.`);
    }
  }
}

/** As `resolvedOptions`, for the baseline without K/V. */
export function resolvedLimits(options: RecomputeOptions): StepLimits {
  assertKnown(options, LIMITS);
  assertLimits(options);
  return Object.freeze({ ...options });
}

function assertLimits(limits: StepLimits): void {
  for (const name of LIMITS) {
    const value = limits[name];
    if (!Number.isInteger(value) || value < 1) throw invalid(`${name} is ${value}; give a whole number, at least 1.`);
  }
}

function assertKnown(options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw invalid(`Unknown option ${name}; known ones are ${known.join(', ')}.`);
  }
}

function invalid(message: string): SchedulerError {
  return new SchedulerError('INVALID_OPTION', message);
}
