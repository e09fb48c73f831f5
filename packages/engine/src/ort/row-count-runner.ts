/** Two graphs of the same model, each for the steps that it is faster at: kernels that are best for one row are not for many. */
import type { ModelShape } from '@octavo/graph';
import type { StepPlan } from '@octavo/scheduler';
import type { CandidateRequest, ModelRunner, RunOutputs } from '../model-runner.ts';
import type { PageStore } from '../storage/page-store.ts';

/** Rows from which on a step counts as one of many. Measured: see "Products with packed weights" in docs/performance-log.md. */
export const MANY_ROWS = 6;

/** Both must be of the same shape, and read and write rows in the same format. */
export class RowCountRunner implements ModelRunner {
  readonly shape: ModelShape;
  readonly candidateCount: number;
  readonly #few: ModelRunner;
  readonly #many: ModelRunner;
  #disposal: Promise<void> | undefined;

  /** Opens one after the other. What the second throws is thrown on, once the first is disposed of. */
  static async open(few: () => Promise<ModelRunner>, many: () => Promise<ModelRunner>): Promise<RowCountRunner> {
    const first = await few();
    try {
      return new RowCountRunner(first, await many());
    } catch (error) {
      await first.dispose().catch(() => {});
      throw error;
    }
  }

  constructor(few: ModelRunner, many: ModelRunner) {
    this.shape = few.shape;
    this.candidateCount = few.candidateCount ?? 0;
    this.#few = few;
    this.#many = many;
  }

  run(
    plan: StepPlan,
    store: PageStore,
    fullHeads: Int32Array,
    fullCount: number,
    candidates?: CandidateRequest,
  ): Promise<RunOutputs> {
    const runner = plan.rowCount < MANY_ROWS ? this.#few : this.#many;
    return runner.run(plan, store, fullHeads, fullCount, candidates);
  }

  dispose(): Promise<void> {
    this.#disposal ??= disposeBoth(this.#few, this.#many);
    return this.#disposal;
  }
}

/** Neither is left behind when the other one fails. */
async function disposeBoth(few: ModelRunner, many: ModelRunner): Promise<void> {
  try {
    await few.dispose();
  } finally {
    await many.dispose();
  }
}
