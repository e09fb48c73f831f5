/**
 * The port to whatever runs the model. `ort/` holds the real one; `fake-runner.ts` a deterministic one that reads the same plan and
 * the same pages, so that everything above this line is tested without a model.
 */
import type { ModelShape } from '@octavo/graph';
import type { StepPlan } from '@octavo/scheduler';
import type { PageElements } from './storage/page-elements.ts';
import type { PageStore } from './storage/page-store.ts';

/** What one run hands out; arrays are valid until the next run. */
export interface RunOutputs {
  /** [layers, rowCount, kvHeads, headDim] in the format of the store's pages */
  readonly newKeys: PageElements;
  readonly newValues: PageElements;
  /** [layers, rowCount, kvHeads] of int8 rows only */
  readonly newKeyScales?: Float32Array;
  readonly newValueScales?: Float32Array;
  /** [headCount] greedy next token. */
  readonly argmax: Int32Array;
  /** [fullCount + lacking, vocabulary] for the heads that were asked for, in their order; then those whose candidates are not enough. */
  readonly logits: Float32Array;
  /** Only when heads were to be sampled from candidates. */
  readonly candidates?: CandidateOutputs;
  /** Milliseconds that were spent on making tensors, before the model ran. */
  readonly prepareMs: number;
}

/** Heads that are sampled from their most probable tokens. Columns of `count` heads; see `CandidateWish` for what they mean. */
export interface CandidateRequest {
  /** Indexes below plan.headCount, ascending. */
  readonly heads: Int32Array;
  readonly scales: Float32Array;
  readonly masses: Float32Array;
  readonly floors: Float32Array;
  readonly count: number;
}

export interface CandidateOutputs {
  /** [count, candidateCount] most probable first, the lower id on a tie. */
  readonly ids: Int32Array;
  readonly logits: Float32Array;
  /** [count] sum of exp((logit - largest) x scale) over the vocabulary. */
  readonly totals: Float32Array;
  /** [count] 1: they are not enough; the head's logits follow those of the full heads, in order. */
  readonly lacking: Uint8Array;
}

export interface ModelRunner {
  /** Candidates that it hands out for a head; 0 or absent: none, and no head must be asked for. */
  readonly candidateCount?: number;
  readonly shape: ModelShape;
  /**
   * Runs one step. `fullHeads[0, fullCount)` names the heads (indexes below plan.headCount) whose full logits are handed out.
   * Reads the store, never writes it. Blocks the thread for as long as the model needs. A rejection ends the step's sequences,
   * and nothing else.
   */
  run(
    plan: StepPlan,
    store: PageStore,
    fullHeads: Int32Array,
    fullCount: number,
    candidates?: CandidateRequest,
  ): Promise<RunOutputs>;
  /** Idempotent; every caller gets the same promise. Must not be called while a run is in progress. */
  dispose(): Promise<void>;
}
