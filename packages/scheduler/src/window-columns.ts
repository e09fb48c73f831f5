import { NULL_PAGE } from '@octavo/kv';
import { grownInt32, NO_INT32 } from './columns.ts';
import type { LevelColumns } from './level-columns.ts';
import type { WindowLevelPlan, WindowPlan } from './step-plan.ts';

/** One level of a window as reused columns, filled from the full level. */
class WindowLevelColumns implements WindowLevelPlan {
  groupCount = 0;
  pagesPerGroup = 0;
  pages = NO_INT32;
  tokens = NO_INT32;
  firstPositions = NO_INT32;
  /** [groupCount] pages of the full group that are dropped at its front. */
  #dropped = NO_INT32;

  /** Effect: the groups of `full` without the pages that none of their rows sees through `window`. O(groups + pages that stay). */
  fill(full: LevelColumns, window: number, pageSize: number): void {
    this.groupCount = full.groupCount;
    this.tokens = grownInt32(this.tokens, full.groupCount);
    this.firstPositions = grownInt32(this.firstPositions, full.groupCount);
    this.#dropped = grownInt32(this.#dropped, full.groupCount);
    this.pagesPerGroup = 0;
    for (let group = 0; group < full.groupCount; group += 1) this.#measure(full, group, { window, pageSize });
    if (this.pagesPerGroup === 0) this.groupCount = 0;
    this.pages = grownInt32(this.pages, this.groupCount * this.pagesPerGroup);
    this.pages.fill(NULL_PAGE, 0, this.groupCount * this.pagesPerGroup);
    for (let group = 0; group < this.groupCount; group += 1) this.#copyPages(full, group, pageSize);
  }

  #measure(full: LevelColumns, group: number, { window, pageSize }: { window: number; pageSize: number }): void {
    const first = full.firstPositions[group]!;
    const tokens = full.tokens[group]!;
    const unseen = Math.max(0, full.lowestPositions[group]! - window + 1 - first);
    const dropped = Math.floor(Math.min(unseen, tokens) / pageSize);
    const left = unseen >= tokens ? 0 : tokens - dropped * pageSize;
    this.#dropped[group] = dropped;
    this.firstPositions[group] = left === 0 ? 0 : first + dropped * pageSize;
    this.tokens[group] = left;
    this.pagesPerGroup = Math.max(this.pagesPerGroup, Math.ceil(left / pageSize));
  }

  #copyPages(full: LevelColumns, group: number, pageSize: number): void {
    const pages = Math.ceil(this.tokens[group]! / pageSize);
    const from = group * full.pagesPerGroup + this.#dropped[group]!;
    const to = group * this.pagesPerGroup;
    for (let page = 0; page < pages; page += 1) this.pages[to + page] = full.pages[from + page]!;
  }
}

/** The levels of a plan as layers with a sliding window read them: follows the full levels, decides nothing. */
export class WindowColumns implements WindowPlan {
  readonly window: number;
  readonly levels: readonly WindowLevelColumns[];

  constructor(window: number, levelCount: number) {
    this.window = window;
    this.levels = Array.from({ length: levelCount }, () => new WindowLevelColumns());
  }

  /** Effect: fills every level from the full one. */
  fill(full: readonly LevelColumns[], pageSize: number): void {
    for (let level = 0; level < full.length; level += 1) this.levels[level]!.fill(full[level]!, this.window, pageSize);
  }
}
