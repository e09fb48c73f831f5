/**
 * What one level of attention costs, in units of one row scored against one page (both products, one layer).
 *
 * The numbers are fitted to two measurements of one layer (2 cores, 3 KV heads x 64, 16 tokens a page, f32): 32 rows over 64
 * shared and 4 private pages each took 5.6 ms flat and 1.15 ms in two levels; 64 rows over 16 system, 8 x 32 product and 4 private
 * pages took 8.6 ms flat and 2.2 ms in three levels. A gathered page is then 2.2 us and a scored row 0.33 us a page.
 * `cost-model.test.ts` holds the model to these four numbers. Only ratios matter here; they are integers so that equal plans tie exactly.
 */

/** One row against one page. */
export const SCORE_COST = 1;
/** Gathering the K and V of one page for one group: copying dominates, so sharing pays. */
export const GATHER_COST = 7;
/** Using a level at all: about ten operators of 3 to 5 us. */
export const LEVEL_COST = 100;
/** Merging one row's partial result of one level into the others. */
export const MERGE_COST = 1;

/** Cost of a level whose groups are padded to common rows and pages, for a step of `rowCount` rows. Pure. */
export function levelCost(groups: number, rowsPerGroup: number, pagesPerGroup: number, rowCount: number): number {
  return (
    groups * pagesPerGroup * (GATHER_COST + rowsPerGroup * SCORE_COST) + LEVEL_COST + rowCount * MERGE_COST
  );
}
