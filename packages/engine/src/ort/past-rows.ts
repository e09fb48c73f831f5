/** Which slots a sequence's past is in, position by position: for a runner that hands the past to a model as tensors. */
import type { LevelPlan, StepPlan } from '@octavo/scheduler';
import type { PageLayout } from '../storage/page-layout.ts';

/**
 * Levels do not say which of them comes first, and some models count positions by the order of their past. So the place of every
 * page in its sequence is kept as its rows are written: it is the same for all sequences that share the page.
 */
export class PastRows {
  readonly #layout: PageLayout;
  /** [pages] index of the page in the table of whoever holds it; -1: never seen. */
  readonly #indexes: Int32Array;

  constructor(layout: PageLayout) {
    this.#layout = layout;
    this.#indexes = new Int32Array(layout.pages).fill(-1);
  }

  /** To be called with every plan, before `slotsOf`. Effect: remembers where the plan's rows and copies go. O(rows + copies). */
  learn(plan: StepPlan): void {
    const { pageSize } = this.#layout;
    for (let copy = 0; copy < plan.copyCount; copy += 1) {
      this.#indexes[plan.copyTo[copy] as number] = this.#indexes[plan.copyFrom[copy] as number] as number;
    }
    if (!plan.writes) return;
    for (let row = 0; row < plan.rowCount; row += 1) {
      const page = Math.floor((plan.slots[row] as number) / pageSize);
      this.#indexes[page] = Math.floor((plan.positions[row] as number) / pageSize);
    }
  }

  /** The slots that a row reads in pages, in order of position. Allocates. O(tokens). */
  slotsOf(plan: StepPlan, row: number): Int32Array {
    const { pageSize } = this.#layout;
    const pages: { page: number; tokens: number; index: number }[] = [];
    for (const level of plan.levels) this.#addLevel(pages, level, row);
    // Pages that were filled by somebody else keep the order of the plan, behind those that are known to come first.
    pages.sort((left, right) => left.index - right.index);
    const count = pages.reduce((sum, { tokens }) => sum + tokens, 0);
    const slots = new Int32Array(count);
    let at = 0;
    for (const { page, tokens } of pages) {
      for (let i = 0; i < tokens; i += 1) slots[at + i] = page * pageSize + i;
      at += tokens;
    }
    return slots;
  }

  #addLevel(pages: { page: number; tokens: number; index: number }[], level: LevelPlan, row: number): void {
    if (level.groupCount === 0) return;
    const { pageSize } = this.#layout;
    const group = Math.floor((level.rowAt[row] as number) / level.rowsPerGroup);
    const tokens = level.tokens[group] as number;
    for (let first = 0; first < tokens; first += pageSize) {
      const page = level.pages[group * level.pagesPerGroup + first / pageSize] as number;
      const known = this.#indexes[page] as number;
      const index = known < 0 ? (pages.at(-1)?.index ?? -1) : known;
      pages.push({ page, tokens: Math.min(pageSize, tokens - first), index });
    }
  }
}
