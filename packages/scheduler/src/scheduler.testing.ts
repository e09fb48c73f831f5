/** A model so small that its answers can be checked: the next token is a hash of every token that a row really read. */
import { createKvCache, type KvCache, pagesFor } from '@octavo/kv';
import { SchedulerError } from './errors.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import type { SchedulerOptions } from './scheduler-options.ts';
import type { LevelPlan, StepPlan, StepResult } from './step-plan.ts';
import type { FinishReason, SequenceRequest, SequenceUsage, StepSource } from './step-source.ts';

/** The token after a prefix: a function of all of its tokens and nothing else. Below `alphabet`. */
function nextToken(prefix: ArrayLike<number>, count: number, alphabet: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < count; at += 1) hash = Math.imul(hash ^ (prefix[at]! + 1), 0x01000193);
  hash ^= hash >>> 15;
  return (Math.imul(hash, 0x2c1b3c6d) >>> 8) % alphabet;
}

export interface TinyOptions {
  readonly pages: number;
  readonly pageSize: number;
  /** Token ids are below this. */
  readonly alphabet: number;
  /** Ends a sequence when sampled. */
  readonly endToken?: number;
}

/**
 * An executor that keeps the token and the position of every slot instead of K/V, and reads them back through levels and chunks only.
 * Throws when a row reads anything but the positions before it, each once; reads a wrong token silently, so that the outputs show it.
 */
export class TinyExecutor {
  readonly options: TinyOptions;
  /** [pages x pageSize] */
  readonly #tokenAt: Int32Array;
  readonly #positionAt: Int32Array;
  /** Rows that were run. */
  rows = 0;

  constructor(options: TinyOptions) {
    this.options = options;
    this.#tokenAt = new Int32Array(options.pages * options.pageSize).fill(-1);
    this.#positionAt = new Int32Array(options.pages * options.pageSize).fill(-1);
  }

  run(plan: StepPlan): StepResult {
    this.#copy(plan);
    const tokens = new Int32Array(plan.headCount).fill(-1);
    const stops = new Uint8Array(plan.headCount);
    for (let head = 0; head < plan.headCount; head += 1) {
      if (plan.headSamples[head] === 0) continue;
      const prefix = this.prefixOf(plan, plan.headRow[head]!);
      tokens[head] = nextToken(prefix, prefix.length, this.options.alphabet);
      stops[head] = tokens[head] === this.options.endToken ? 1 : 0;
    }
    this.#write(plan);
    this.rows += plan.rowCount;
    return { tokens, stops };
  }

  /** What a row reads, itself included, by position. */
  prefixOf(plan: StepPlan, row: number): Int32Array {
    const position = plan.positions[row]!;
    const prefix = new Int32Array(position + 1).fill(-1);
    const put = (token: number, at: number): void => {
      if (at < 0 || at >= position || prefix[at] !== -1)
        throw new Error(`row ${row} at ${position} reads position ${at}`);
      prefix[at] = token;
    };
    for (const level of plan.levels) this.#readLevel(level, row, put);
    readChunk(plan, row, put);
    prefix[position] = plan.tokens[row]!;
    const gap = prefix.indexOf(-1);
    if (gap >= 0) throw new Error(`row ${row} at ${position} does not read position ${gap}`);
    return prefix;
  }

  #readLevel(level: LevelPlan, row: number, put: (token: number, at: number) => void): void {
    if (level.groupCount === 0) return;
    const { pageSize } = this.options;
    const group = Math.floor(level.rowAt[row]! / level.rowsPerGroup);
    const tokens = level.tokens[group]!;
    for (let page = 0; page < pagesFor(tokens, pageSize); page += 1) {
      const first = level.pages[group * level.pagesPerGroup + page]! * pageSize;
      for (let offset = 0; offset < Math.min(pageSize, tokens - page * pageSize); offset += 1) {
        put(this.#tokenAt[first + offset]!, this.#positionAt[first + offset]!);
      }
    }
  }

  #copy(plan: StepPlan): void {
    const { pageSize } = this.options;
    for (let copy = 0; copy < plan.copyCount; copy += 1) {
      const from = plan.copyFrom[copy]! * pageSize;
      const to = plan.copyTo[copy]! * pageSize;
      for (const column of [this.#tokenAt, this.#positionAt]) {
        column.copyWithin(to, from, from + plan.copyTokens[copy]!);
      }
    }
  }

  #write(plan: StepPlan): void {
    for (let row = 0; plan.writes && row < plan.rowCount; row += 1) {
      this.#tokenAt[plan.slots[row]!] = plan.tokens[row]!;
      this.#positionAt[plan.slots[row]!] = plan.positions[row]!;
    }
  }
}

function readChunk(plan: StepPlan, row: number, put: (token: number, at: number) => void): void {
  const { chunkCount, rowsPerChunk, rows, rowAt } = plan.chunks;
  if (chunkCount === 0) return;
  const at = rowAt[row]!;
  for (let other = at - (at % rowsPerChunk); other < at; other += 1) {
    put(plan.tokens[rows[other]!]!, plan.positions[rows[other]!]!);
  }
}

export interface Ended {
  readonly reason: FinishReason;
  readonly tokens: readonly number[];
  readonly usage: SequenceUsage;
}

/** Plans, runs and commits one step, and adds what ended to `ended`. False: there was nothing to run. */
export function step(source: StepSource, executor: TinyExecutor, ended?: Map<number, Ended>): boolean {
  const plan = source.plan();
  if (plan !== undefined) commit(source, executor, plan, ended);
  return plan !== undefined;
}

/** Steps until there is nothing to run; fails after `most` steps. */
export function drain(source: StepSource, executor: TinyExecutor, most = 10_000): Map<number, Ended> {
  const ended = new Map<number, Ended>();
  for (let at = 0; at < most; at += 1) {
    if (!step(source, executor, ended)) return ended;
  }
  throw new Error(`not drained after ${most} steps`);
}

/** A request with everything optional but the prompt. */
export function request(prompt: ArrayLike<number>, more: Partial<SequenceRequest> = {}): SequenceRequest {
  return {
    maxTokens: 4,
    salt: '',
    priority: 0,
    mode: 'share',
    logits: 'last',
    ...more,
    prompt: Uint32Array.from(prompt),
  };
}

/** Submits what must be accepted; returns its id. */
export function submit(source: StepSource, prompt: ArrayLike<number>, more: Partial<SequenceRequest> = {}): number {
  const answer = source.submit(request(prompt, more));
  if (!answer.ok) throw new Error(`refused: ${answer.reason}, needs ${answer.needed} of ${answer.available}`);
  return answer.sequence;
}

/** [first, first + count) as tokens. */
export function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => first + at);
}

/** Prompt and completion as any correct source must give them. */
export function oracle(prompt: readonly number[], maxTokens: number, options: TinyOptions): number[] {
  const tokens = [...prompt];
  for (let at = 0; at < maxTokens; at += 1) {
    const token = nextToken(tokens, tokens.length, options.alphabet);
    tokens.push(token);
    if (token === options.endToken) break;
  }
  return tokens;
}

export interface WorldOptions extends Omit<SchedulerOptions, 'kv'> {
  readonly pages: number;
  readonly pageSize: number;
  readonly alphabet: number;
}

export interface World {
  readonly kv: KvCache;
  readonly scheduler: Scheduler;
  readonly executor: TinyExecutor;
}

/** A scheduler over 63 pages of 4 tokens, with every plan proved, unless told otherwise. */
export function worldOf(more: Partial<WorldOptions> = {}): World {
  const { pages = 64, pageSize = 4, alphabet = 1_000, ...options } = more;
  const kv = createKvCache({ pages, pageSize });
  const limits = { maxSequences: 8, tokenBudget: 64, maxWaiting: 64, watermarkPages: 0, checks: 'every-step' } as const;
  const scheduler = createScheduler({ kv, ...limits, ...options });
  return { kv, scheduler, executor: new TinyExecutor({ pages, pageSize, alphabet }) };
}

/** The sequences of a plan and their scheduled tokens, in order. */
export function rowsOf(plan: StepPlan | undefined): [sequence: number, tokens: number][] {
  if (plan === undefined) return [];
  return Array.from({ length: plan.sequenceCount }, (_, at) => [plan.sequences[at]!, plan.scheduledTokens[at]!]);
}

/** Plans, runs and commits steps; returns who computed how many tokens in each. */
export function steps({ scheduler, executor }: World, count: number, ended?: Map<number, Ended>): [number, number][][] {
  return Array.from({ length: count }, () => {
    const plan = scheduler.plan();
    const rows = rowsOf(plan);
    if (plan !== undefined) commit(scheduler, executor, plan, ended);
    return rows;
  });
}

/** Runs and commits a plan, and adds what ended to `ended`. */
export function commit(source: StepSource, executor: TinyExecutor, plan: StepPlan, ended?: Map<number, Ended>): void {
  const report = source.commit(plan, executor.run(plan));
  for (let at = 0; at < report.finishedCount; at += 1) {
    const sequence = report.finished[at]!;
    const { tokens, tokenCount } = source.tokensOf(sequence);
    const reason = report.finishReasons[at]!;
    ended?.set(sequence, { reason, tokens: [...tokens.subarray(0, tokenCount)], usage: source.usage(sequence) });
  }
}

/** The code of the `SchedulerError` that `run` throws. */
export function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof SchedulerError) return error.code;
    throw error;
  }
  throw new Error('nothing was thrown');
}
