import { type AttentionCosts, CostModel } from './cost-model.ts';
import { LevelAssigner } from './level-assigner.ts';
import { LevelColumns } from './level-columns.ts';
import { PageForest } from './page-forest.ts';
import type { PastColumns } from './past-columns.ts';
import { type AttentionStats, LEVEL_COUNT } from './step-plan.ts';
import { WindowColumns } from './window-columns.ts';

/** `levels`: shared pages are read once a step where that pays. `flat`: every sequence reads its own (the ablation). */
export type AttentionMode = 'levels' | 'flat';

export interface PlannerOptions {
  /** Tokens a page. */
  readonly pageSize: number;
  readonly attention?: AttentionMode;
  readonly attentionCosts?: AttentionCosts;
  /** Sliding windows of the model's layers, in tokens: each gets trimmed levels beside the full ones. Default none. */
  readonly windows?: readonly number[];
}

class AttentionCounts implements AttentionStats {
  uniquePages = 0;
  savedPageReads = 0;
  paddingPageReads = 0;
}

/**
 * Turns the page tables of a step into levels of groups (rows, pages): section by section of the tree of shared leading pages, so that
 * a page which many rows read is gathered once. Deterministic: the same columns give the same levels, whatever came before.
 */
export class AttentionPlanner {
  /** [LEVEL_COUNT] of the last `plan`. */
  readonly levels: readonly LevelColumns[] = Array.from({ length: LEVEL_COUNT }, () => new LevelColumns());
  /** One for each window of the options, of the last `plan`. */
  readonly windows: readonly WindowColumns[];
  readonly #pageSize: number;
  readonly #counts = new AttentionCounts();
  readonly #past: PastColumns;
  readonly #forest: PageForest;
  readonly #assigner: LevelAssigner;
  readonly #mode: AttentionMode;

  /** `past` is filled anew before each `plan`. */
  constructor(past: PastColumns, options: PlannerOptions) {
    const { pageSize, attention = 'levels', attentionCosts, windows = [] } = options;
    this.#past = past;
    this.#pageSize = pageSize;
    this.windows = windows.map((window) => new WindowColumns(window, LEVEL_COUNT));
    this.#forest = new PageForest(past, pageSize);
    this.#assigner = new LevelAssigner(this.#forest, new CostModel(attentionCosts));
    this.#mode = attention;
  }

  get stats(): AttentionStats {
    return this.#counts;
  }

  /** Effect: fills `levels`, `windows` and `stats` for a step of `rowCount` rows, those without a past included. */
  plan(rowCount: number): void {
    this.#planLevels(rowCount);
    for (let at = 0; at < this.windows.length; at += 1) this.windows[at]!.fill(this.levels, this.#pageSize);
  }

  #planLevels(rowCount: number): void {
    const counts = this.#counts;
    counts.uniquePages = 0;
    counts.savedPageReads = 0;
    counts.paddingPageReads = 0;
    if (this.#past.count === 0) {
      for (let level = 0; level < LEVEL_COUNT; level += 1) this.levels[level]!.clear();
      return;
    }
    this.#forest.build();
    const draft = this.#mode === 'levels' ? this.#assigner.assign(rowCount) : this.#assigner.assignFlat(rowCount);
    counts.uniquePages = this.#forest.uniquePages;
    counts.savedPageReads = this.#forest.flatPageReads;
    for (let level = 0; level < LEVEL_COUNT; level += 1) {
      const columns = this.levels[level]!;
      columns.fill(this.#forest, draft, level, rowCount);
      counts.savedPageReads -= columns.groupCount * columns.pagesPerGroup;
      counts.paddingPageReads += columns.paddingPages;
    }
  }
}
