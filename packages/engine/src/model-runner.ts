/**
 * The port to whatever runs the model. `ort/` holds the real one; `fake-runner.ts` a deterministic one that reads the same plan and
 * the same pages, so that everything above this line is tested without a model.
 */
import type { ModelShape } from '@octavo/graph';
import type { StepPlan } from '@octavo/scheduler';
import type { PageStore } from './storage/page-store.ts';

/** What one run hands out; arrays are valid until the next run. */
export interface RunOutputs {
  /** [layers, rowCount, kvHeads, headDim] */
  readonly newKeys: Float32Array;
  readonly newValues: Float32Array;
  /** [headCount] greedy next token. */
  readonly argmax: Int32Array;
  /** [fullCount, vocabulary] for the heads that were asked for, in their order. */
  readonly logits: Float32Array;
  /** Milliseconds that were spent on making tensors, before the model ran. */
  readonly prepareMs: number;
}

export interface ModelRunner {
  readonly shape: ModelShape;
  /**
   * Runs one step. `fullHeads[0, fullCount)` names the heads (indexes below plan.headCount) whose full logits are handed out.
   * Reads the store, never writes it. Blocks the thread for as long as the model needs. A rejection ends the step's sequences,
   * and nothing else.
   */
  run(plan: StepPlan, store: PageStore, fullHeads: Int32Array, fullCount: number): Promise<RunOutputs>;
  /** Idempotent; every caller gets the same promise. Must not be called while a run is in progress. */
  dispose(): Promise<void>;
}
