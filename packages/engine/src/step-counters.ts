/** Counts of an engine since it was opened. */
import type { KvCache } from '@octavo/kv';
import type { SequenceUsage, StepPlan } from '@octavo/scheduler';

export class StepCounters {
  steps = 0;
  /** Most pages that live sequences held at once (neither free nor evictable). */
  peakPages = 0;
  promptTokens = 0;
  cachedTokens = 0;
  computedTokens = 0;
  completionTokens = 0;
  uniquePageReads = 0;
  /** This and the padding are of the plan; a deterministic graph reads other groups. */
  savedPageReads = 0;
  paddingPageReads = 0;
  rows = 0;
  paddingRows = 0;
  logitRows = 0;
  candidateRows = 0;
  /** Cumulative milliseconds of each part of a step. Page copies count as writing. */
  readonly stepMs = { plan: 0, prepare: 0, run: 0, write: 0, sample: 0, commit: 0 };

  planned(plan: StepPlan, kv: KvCache | undefined): void {
    this.steps += 1;
    this.uniquePageReads += plan.attention.uniquePages;
    this.savedPageReads += plan.attention.savedPageReads;
    this.paddingPageReads += plan.attention.paddingPageReads;
    this.rows += plan.rowCount;
    this.paddingRows += paddingRowsOf(plan);
    // Right after planning: admissions and extensions are in, and nothing of this step has been given back.
    if (kv) this.peakPages = Math.max(this.peakPages, kv.pages - 1 - kv.freePages - kv.evictablePages);
  }

  /** What crossed into JavaScript for sampling and scoring. */
  sampled(logitRows: number, candidateRows: number): void {
    this.logitRows += logitRows;
    this.candidateRows += candidateRows;
  }

  /** Of a sequence that ended; completions are counted by those who asked for one. */
  finished(usage: SequenceUsage): void {
    this.promptTokens += usage.promptTokens;
    this.cachedTokens += usage.cachedTokens;
    this.computedTokens += usage.computedTokens;
  }
}

/** Places of the plan's groups and chunks that no row of the step takes. Pure. */
function paddingRowsOf({ levels, chunks, rowCount }: StepPlan): number {
  let padding = 0;
  for (const { groupCount, rowsPerGroup } of levels) padding += Math.max(0, groupCount * rowsPerGroup - rowCount);
  return padding + Math.max(0, chunks.chunkCount * chunks.rowsPerChunk - rowCount);
}
