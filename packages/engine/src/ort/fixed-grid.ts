/**
 * What a deterministic graph reads, from a plan that reads everything flat: each sequence is a group over all of its pages, those that the step fills included.
 * Level 0 holds the sequences with one row, level 1 those with several. Reused columns; nothing is allocated once the largest step has been seen.
 */
import { NULL_PAGE } from '@octavo/kv';
import type { LevelPlan, StepPlan } from '@octavo/scheduler';

/** A decode and a chunk would pad each other to the larger one. */
const KINDS = 2;

class GridLevel implements LevelPlan {
  groupCount = 0;
  rowsPerGroup = 0;
  pagesPerGroup = 0;
  rows = new Int32Array(0);
  pages = new Int32Array(0);
  tokens = new Int32Array(0);
  rowAt = new Int32Array(0);

  reserve(rowCount: number): void {
    const places = this.groupCount * this.rowsPerGroup;
    if (this.rows.length < places) this.rows = new Int32Array(2 * places);
    const pages = this.groupCount * this.pagesPerGroup;
    if (this.pages.length < pages) this.pages = new Int32Array(2 * pages);
    if (this.tokens.length < this.groupCount) this.tokens = new Int32Array(2 * this.groupCount);
    if (this.rowAt.length < rowCount) this.rowAt = new Int32Array(2 * rowCount);
    this.rows.fill(0, 0, places);
    this.pages.fill(NULL_PAGE, 0, pages);
  }
}

export class FixedGrid {
  /** Of the last `build`. */
  readonly levels: readonly LevelPlan[];
  readonly #levels: readonly GridLevel[];
  readonly #pageSize: number;
  readonly #leastRows: number;

  /** `leastRows`: rows of a group at least, padding included; a product with a single row rounds differently. */
  constructor(options: { readonly pageSize: number; readonly leastRows: number }) {
    this.#pageSize = options.pageSize;
    this.#leastRows = options.leastRows;
    this.#levels = Array.from({ length: KINDS }, () => new GridLevel());
    this.levels = this.#levels;
  }

  /** Effect: fills `levels`. `plan` must be of a scheduler with flat attention. O(rows + pages). */
  build(plan: StepPlan): void {
    this.#measure(plan);
    for (const [kind, level] of this.#levels.entries()) this.#fill(plan, kind, level);
  }

  #kindOf(plan: StepPlan, place: number): number {
    return plan.scheduledTokens[place] === 1 ? 0 : 1;
  }

  #tokensOf(plan: StepPlan, place: number): number {
    return (plan.positions[plan.firstRow[place] as number] as number) + (plan.scheduledTokens[place] as number);
  }

  #measure(plan: StepPlan): void {
    for (const level of this.#levels) {
      level.groupCount = 0;
      level.rowsPerGroup = this.#leastRows;
      level.pagesPerGroup = 1;
    }
    for (let place = 0; place < plan.sequenceCount; place += 1) {
      const level = this.#levels[this.#kindOf(plan, place)] as GridLevel;
      level.groupCount += 1;
      level.rowsPerGroup = Math.max(level.rowsPerGroup, plan.scheduledTokens[place] as number);
      level.pagesPerGroup = Math.max(level.pagesPerGroup, Math.ceil(this.#tokensOf(plan, place) / this.#pageSize));
    }
  }

  #fill(plan: StepPlan, kind: number, level: GridLevel): void {
    const groups = level.groupCount;
    if (groups === 0) return;
    // Rows of the other kind point into a group of no tokens behind the others.
    const others = groups < plan.sequenceCount ? 1 : 0;
    level.groupCount = groups + others;
    level.reserve(plan.rowCount);
    level.rowAt.fill(groups * level.rowsPerGroup, 0, plan.rowCount);
    level.tokens[groups] = 0;
    let group = 0;
    for (let place = 0; place < plan.sequenceCount; place += 1) {
      if (this.#kindOf(plan, place) !== kind) continue;
      this.#fillGroup(plan, place, { level, group });
      group += 1;
    }
  }

  #fillGroup(plan: StepPlan, place: number, { level, group }: { level: GridLevel; group: number }): void {
    const firstRow = plan.firstRow[place] as number;
    const rows = plan.scheduledTokens[place] as number;
    level.tokens[group] = this.#tokensOf(plan, place);
    const firstPage = group * level.pagesPerGroup;
    this.#copyPast(plan, firstRow, level.pages.subarray(firstPage, firstPage + level.pagesPerGroup));
    for (let row = firstRow; row < firstRow + rows; row += 1) {
      const at = group * level.rowsPerGroup + row - firstRow;
      level.rows[at] = row;
      level.rowAt[row] = at;
      if (!plan.writes) continue;
      const index = Math.floor((plan.positions[row] as number) / this.#pageSize);
      level.pages[firstPage + index] = Math.floor((plan.slots[row] as number) / this.#pageSize);
    }
  }

  /** Pages of the past of the sequence that begins at a row: those of its group in the flat plan. */
  #copyPast(plan: StepPlan, firstRow: number, into: Int32Array): void {
    const past = plan.positions[firstRow] as number;
    const pages = Math.ceil(past / this.#pageSize);
    for (const level of plan.levels) {
      if (level.groupCount === 0 || past === 0) continue;
      const from = Math.floor((level.rowAt[firstRow] as number) / level.rowsPerGroup);
      if (level.tokens[from] === past) {
        const first = from * level.pagesPerGroup;
        into.set(level.pages.subarray(first, first + pages));
        return;
      }
    }
  }
}
