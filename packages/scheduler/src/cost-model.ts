/** What attention costs, in any unit: only ratios matter. Whole numbers, so that equal plans tie exactly. */
export interface AttentionCosts {
  /** Gathering the K and V of one page for one group: mostly copying, so sharing pays. */
  readonly gather: number;
  /** One row against one page: both products. */
  readonly score: number;
  /** Using a level at all: about ten operators. */
  readonly level: number;
  /** Merging one row's partial result of one level into the others. */
  readonly merge: number;
}

/**
 * Fitted to measurements of one layer (2 cores, 3 KV heads x 64, 16 tokens a page, f32): 32 rows over 64 shared and 4 private pages each
 * took 5.6 ms flat and 1.15 ms in two levels; 64 rows over 16 system, 8 x 32 product and 4 private pages took 8.6 ms flat and 2.2 ms in
 * three levels. That is 0.33 us a row and page, 2.3 us more a gathered page, and 3 to 5 us for each operator of a level.
 * `cost-model.test.ts` holds the model to these four numbers.
 */
export const MEASURED_COSTS: AttentionCosts = Object.freeze({ gather: 7, score: 1, level: 100, merge: 1 });

/** The costs of levels whose groups are padded to common rows and pages. */
export class CostModel {
  readonly #costs: AttentionCosts;

  constructor(costs: AttentionCosts = MEASURED_COSTS) {
    this.#costs = costs;
  }

  /** Groups of `rows` rows over `pages` pages each. Pure. */
  ofGroups(groups: number, rows: number, pages: number): number {
    return groups * pages * (this.#costs.gather + rows * this.#costs.score);
  }

  /** A level of its own, whatever it reads, in a step of `rowCount` rows. Pure. */
  ofLevel(rowCount: number): number {
    return this.#costs.level + rowCount * this.#costs.merge;
  }
}
