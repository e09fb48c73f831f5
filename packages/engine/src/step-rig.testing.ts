/** A runner, a scheduler and a store, stepped by hand: for tests of what a runner does with a plan. */
import { createKvCache } from '@octavo/kv';
import { createScheduler, type Scheduler, type SchedulerOptions, type StepPlan } from '@octavo/scheduler';
import type { ModelRunner, RunOutputs } from './model-runner.ts';
import { type PageExtent, PageLayout } from './storage/page-layout.ts';
import { PageStore } from './storage/page-store.ts';

const NO_HEADS = new Int32Array(0);

export type RigLimits = Partial<Pick<SchedulerOptions, 'maxSequences' | 'tokenBudget' | 'maxWaiting' | 'attention'>>;

export class StepRig {
  readonly runner: ModelRunner;
  readonly store: PageStore;
  readonly scheduler: Scheduler;

  constructor(runner: ModelRunner, extent: PageExtent, limits: RigLimits = {}) {
    this.runner = runner;
    this.store = new PageStore(new PageLayout(runner.shape, extent));
    const { windows } = runner.shape;
    this.scheduler = createScheduler({
      kv: createKvCache({ pages: extent.pages, pageSize: extent.pageSize }),
      windows,
      maxSequences: 4,
      tokenBudget: 128,
      maxWaiting: 10,
      ...limits,
    });
  }

  /** Returns the sequence's id. */
  submit(ids: readonly number[], maxTokens: number): number {
    const prompt = Uint32Array.from(ids);
    const submitted = this.scheduler.submit({
      prompt,
      maxTokens,
      salt: '',
      priority: 0,
      mode: 'share',
      logits: 'last',
    });
    if (!submitted.ok) throw new Error(`refused: ${submitted.reason}`);
    return submitted.sequence;
  }

  /** The next plan, its copies performed. */
  plan(): StepPlan {
    const plan = this.scheduler.plan();
    if (!plan) throw new Error('there is nothing to run');
    for (let i = 0; i < plan.copyCount; i += 1) {
      this.store.copyRows(plan.copyFrom[i] as number, plan.copyTo[i] as number, plan.copyTokens[i] as number);
    }
    return plan;
  }

  run(plan: StepPlan, fullHeads: Int32Array = NO_HEADS): Promise<RunOutputs> {
    return this.runner.run(plan, this.store, fullHeads, fullHeads.length);
  }

  /** Writes and commits what a run gave; each head's argmax is its next token. */
  commit(plan: StepPlan, outputs: RunOutputs): void {
    const { newKeys: keys, newValues: values, newKeyScales: keyScales, newValueScales: valueScales, argmax } = outputs;
    this.store.scatter({ keys, values, keyScales, valueScales, slots: plan.slots, rowCount: plan.rowCount });
    this.scheduler.commit(plan, { tokens: argmax, stops: new Uint8Array(plan.headCount) });
  }

  /** One whole step; returns its tokens. */
  async step(): Promise<Int32Array> {
    const plan = this.plan();
    const outputs = await this.run(plan);
    this.commit(plan, outputs);
    return outputs.argmax;
  }
}
