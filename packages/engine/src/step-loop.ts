/**
 * One step at a time: plan -> copies -> run -> write rows -> sample -> commit. Written, then published: rows are in the store before
 * the commit that may publish their pages.
 *
 * Three ways to fail. A run that fails ends the sequences of its step and nothing else. A consumer that fails (a tokenizer, a sampler)
 * ends its own sequence. A broken law is thrown to the caller, who has to stop.
 */
import type { KvCache } from '@octavo/kv';
import type { FinishReason, StepPlan, StepResult, StepSource } from '@octavo/scheduler';
import { NO_TOKENS, type SourcedUsage, type TokenRange, withSources } from './cached-from.ts';
import type { Clock } from './clock.ts';
import { brokenInvariant, EngineError } from './errors.ts';
import type { CandidateOutputs, ModelRunner, RunOutputs } from './model-runner.ts';
import { SampledHeads } from './sampled-heads.ts';
import type { RowCandidates } from './sampling/candidate-sampler.ts';
import type { CandidateWish } from './sampling/candidate-wish.ts';
import { StepCounters } from './step-counters.ts';
import type { PageStore } from './storage/page-store.ts';

/** What a row yields that was asked for its next-token distribution. Reused: valid during `take`. */
export interface Head {
  sequence: number;
  /** Index of the row's token in its sequence. */
  position: number;
  /** Greedy next token (lowest id on a tie). */
  argmax: number;
  /** [vocabulary] when they were wanted, or candidates were wished for and are not enough. */
  logits: Float32Array | undefined;
  /** When they were wished for and are enough. */
  candidates: RowCandidates | undefined;
  /** When the run was over. */
  nowMs: number;
}

/** Who takes what a sequence yields. One of `finished` and `failed` is called last, once (`failed` also when `finished` threw). */
export interface SequenceConsumer {
  /** Full logits are wanted where the next token is sampled; they are costly to hand out. */
  readonly wantsLogits: boolean;
  /** What would be enough instead of full logits for the next token, of at most `count` candidates. Asked only when logits are wanted. */
  candidateWish?(sequence: number, count: number): CandidateWish | undefined;
  /** Read after `take`: the token that it returned ends the sequence. */
  readonly stops: boolean;
  /** The sequence is in a step; called before every run. */
  planned(nowMs: number): void;
  /** One head, in order of position. Returns the next token, which is ignored for a head that is only scored. */
  take(head: Head): number;
  finished(reason: FinishReason, usage: SourcedUsage): void;
  failed(error: unknown): void;
}

export interface StepLoopParts {
  readonly source: StepSource;
  readonly store: PageStore;
  readonly runner: ModelRunner;
  /** Absent for the recompute baseline. */
  readonly kv: KvCache | undefined;
  readonly clock: Clock;
}

export class StepLoop {
  readonly counters = new StepCounters();
  readonly #parts: StepLoopParts;
  readonly #consumers = new Map<number, SequenceConsumer>();
  /** What came out of a cache file for a sequence; absent for most. */
  readonly #loaded = new Map<number, TokenRange>();
  /** Sequences whose consumer failed in this step. */
  readonly #doomed: number[] = [];
  readonly #head: Head = { sequence: 0, position: 0, argmax: 0, logits: undefined, candidates: undefined, nowMs: 0 };
  // Columns of the largest step so far, [heads].
  #fullHeads = new Int32Array(64);
  #tokens = new Int32Array(64);
  #stops = new Uint8Array(64);
  readonly #sampled = new SampledHeads();

  constructor(parts: StepLoopParts) {
    this.#parts = parts;
  }

  /** Sequences that somebody waits for. */
  get liveCount(): number {
    return this.#consumers.size;
  }

  /** Says who takes what a submitted sequence yields, and which of its tokens were read from a file. */
  add(sequence: number, consumer: SequenceConsumer, loaded: TokenRange = NO_TOKENS): void {
    this.#consumers.set(sequence, consumer);
    if (loaded.to > loaded.from) this.#loaded.set(sequence, loaded);
  }

  /** Ends a sequence at any point, also while its step runs; its consumer is finished. Unknown sequences are ignored. */
  abort(sequence: number): void {
    const consumer = this.#consumers.get(sequence);
    if (!consumer) return;
    this.#parts.source.abort(sequence);
    this.#finish(sequence, 'abort');
  }

  /** Hands the same error to every consumer and forgets them; the source is not asked: it may be what broke. */
  failAll(error: unknown): void {
    const consumers = [...this.#consumers.values()];
    this.#consumers.clear();
    this.#loaded.clear();
    for (const consumer of consumers) consumer.failed(error);
  }

  /** Runs one step. False: there is nothing to run. Throws when a law is broken; the loop must not be used any more then. */
  async step(): Promise<boolean> {
    const { source, clock } = this.#parts;
    const started = clock();
    const plan = source.plan();
    if (!plan) {
      const stalled = source.waitingCount + source.runningCount;
      if (stalled === 0) return false;
      throw brokenInvariant(`every admitted request ends, but nothing runs while ${stalled} sequences wait`);
    }
    this.#planned(plan, started);
    this.#copyPages(plan);
    const fullCount = this.#chooseFullHeads(plan);
    const outputs = await this.#run(plan, fullCount);
    if (!outputs) return true;
    this.#writeRows(plan, outputs);
    const { vocabulary } = this.#parts.runner.shape;
    this.counters.sampled(outputs.logits.length / vocabulary, this.#sampled.count);
    const result = this.#sample(plan, outputs, fullCount);
    this.#commit(plan, result);
    return true;
  }

  #planned(plan: StepPlan, started: number): void {
    const nowMs = this.#parts.clock();
    for (let i = 0; i < plan.sequenceCount; i += 1) this.#consumers.get(plan.sequences[i] as number)?.planned(nowMs);
    this.counters.planned(plan, this.#parts.kv);
    this.counters.stepMs.plan += nowMs - started;
  }

  #copyPages(plan: StepPlan): void {
    const started = this.#parts.clock();
    for (let i = 0; i < plan.copyCount; i += 1) {
      this.#parts.store.copyRows(plan.copyFrom[i] as number, plan.copyTo[i] as number, plan.copyTokens[i] as number);
    }
    this.counters.stepMs.write += this.#parts.clock() - started;
  }

  /** Heads whose full logits have to leave the runtime: those that are only scored, and those whose consumer samples from them. */
  #chooseFullHeads(plan: StepPlan): number {
    const heads = plan.headCount;
    if (this.#fullHeads.length < heads) {
      this.#fullHeads = new Int32Array(2 * heads);
      this.#tokens = new Int32Array(2 * heads);
      this.#stops = new Uint8Array(2 * heads);
    }
    let fullCount = 0;
    const { candidateCount = 0 } = this.#parts.runner;
    this.#sampled.begin(heads);
    for (let head = 0; head < heads; head += 1) {
      const sequence = plan.headSequence[head] as number;
      const scored = plan.headSamples[head] === 0;
      const consumer = this.#consumers.get(sequence);
      if (!scored && !consumer?.wantsLogits) continue;
      const wish = scored || candidateCount === 0 ? undefined : consumer?.candidateWish?.(sequence, candidateCount);
      if (wish !== undefined) {
        this.#sampled.add(head, wish);
        continue;
      }
      this.#fullHeads[fullCount] = head;
      fullCount += 1;
    }
    return fullCount;
  }

  async #run(plan: StepPlan, fullCount: number): Promise<RunOutputs | undefined> {
    const { runner, store, clock, source } = this.#parts;
    const started = clock();
    try {
      const outputs = await runner.run(plan, store, this.#fullHeads, fullCount, this.#sampled);
      this.counters.stepMs.prepare += outputs.prepareMs;
      this.counters.stepMs.run += clock() - started - outputs.prepareMs;
      return outputs;
    } catch (cause) {
      if (cause instanceof EngineError && cause.code === 'INVARIANT_BROKEN') throw cause;
      this.counters.stepMs.run += clock() - started;
      const reason = cause instanceof Error ? cause.message : String(cause);
      const error = new EngineError('RUN_FAILED', `The runtime failed in a step of this request: ${reason}`, { cause });
      for (const sequence of source.fail(plan)) this.#fail(sequence, error);
      return undefined;
    }
  }

  #writeRows(plan: StepPlan, outputs: RunOutputs): void {
    if (!plan.writes) return;
    const started = this.#parts.clock();
    const { newKeys: keys, newValues: values, newKeyScales: keyScales, newValueScales: valueScales } = outputs;
    const { slots, rowCount } = plan;
    this.#parts.store.scatter({ keys, values, keyScales, valueScales, slots, rowCount });
    this.counters.stepMs.write += this.#parts.clock() - started;
  }

  #sample(plan: StepPlan, outputs: RunOutputs, fullCount: number): StepResult {
    const started = this.#parts.clock();
    const { vocabulary } = this.#parts.runner.shape;
    const head = this.#head;
    head.nowMs = started;
    let full = 0;
    let sampled = 0;
    // Rows of the logits: the full heads, then those whose candidates are not enough.
    let whole = fullCount;
    for (let i = 0; i < plan.headCount; i += 1) {
      head.sequence = plan.headSequence[i] as number;
      head.position = plan.positions[plan.headRow[i] as number] as number;
      head.argmax = outputs.argmax[i] as number;
      head.logits = undefined;
      head.candidates = undefined;
      if (full < fullCount && this.#fullHeads[full] === i) {
        head.logits = outputs.logits.subarray(full * vocabulary, (full + 1) * vocabulary);
        full += 1;
      } else if (sampled < this.#sampled.count && this.#sampled.heads[sampled] === i) {
        const candidates = outputs.candidates as CandidateOutputs;
        if (candidates.lacking[sampled] === 1) {
          head.logits = outputs.logits.subarray(whole * vocabulary, (whole + 1) * vocabulary);
          whole += 1;
        } else {
          head.candidates = this.#sampled.rowOf(candidates, sampled);
        }
        sampled += 1;
      }
      this.#take(i, head);
    }
    this.counters.stepMs.sample += this.#parts.clock() - started;
    return { tokens: this.#tokens, stops: this.#stops };
  }

  #take(index: number, head: Head): void {
    // An aborted sequence has no consumer any more; whatever is said about it is ignored by the commit.
    this.#tokens[index] = head.argmax;
    this.#stops[index] = 1;
    const consumer = this.#consumers.get(head.sequence);
    if (!consumer) return;
    try {
      this.#tokens[index] = consumer.take(head);
      this.#stops[index] = consumer.stops ? 1 : 0;
    } catch (error) {
      this.#fail(head.sequence, error);
      this.#doomed.push(head.sequence);
    }
  }

  #commit(plan: StepPlan, result: StepResult): void {
    const { source, clock } = this.#parts;
    const started = clock();
    const report = source.commit(plan, result);
    for (let i = 0; i < report.finishedCount; i += 1) {
      this.#finish(report.finished[i] as number, report.finishReasons[i] as FinishReason);
    }
    for (const sequence of this.#doomed) source.abort(sequence);
    this.#doomed.length = 0;
    this.counters.stepMs.commit += clock() - started;
  }

  #finish(sequence: number, reason: FinishReason): void {
    const consumer = this.#consumers.get(sequence);
    if (!consumer) return;
    this.#consumers.delete(sequence);
    const usage = withSources(this.#parts.source.usage(sequence), this.#loaded.get(sequence) ?? NO_TOKENS);
    this.#loaded.delete(sequence);
    this.counters.finished(usage);
    try {
      consumer.finished(reason, usage);
    } catch (error) {
      consumer.failed(error);
    }
  }

  #fail(sequence: number, error: unknown): void {
    const consumer = this.#consumers.get(sequence);
    this.#consumers.delete(sequence);
    this.#loaded.delete(sequence);
    consumer?.failed(error);
  }
}
