import { grownInt32, NO_INT32 } from './columns.ts';
import type { CostModel } from './cost-model.ts';
import type { PageForest } from './page-forest.ts';
import { LEVEL_COUNT } from './step-plan.ts';

/** A node that is no group: its pages are read by the groups below it, or it has none. */
export const NO_LEVEL = -1;

/** One way to read a forest: the level of each node, the pages it begins with, and what that costs. */
export class LevelDraft {
  /** [nodeCount] level, or NO_LEVEL. On a path from a root to a leaf each level occurs at most once. */
  level = NO_INT32;
  /** [nodeCount] first page of the node's group. */
  from = NO_INT32;
  /** [LEVEL_COUNT] groups (one of no tokens included, when some row reads nothing at the level), 0: unused. */
  readonly groups = new Int32Array(LEVEL_COUNT);
  readonly rowsPerGroup = new Int32Array(LEVEL_COUNT);
  readonly pagesPerGroup = new Int32Array(LEVEL_COUNT);
  /** [LEVEL_COUNT] 1: some row of the step reads nothing at the level. */
  readonly needsNullGroup = new Uint8Array(LEVEL_COUNT);
  /** [LEVEL_COUNT] cost beyond that of the same groups without padding. */
  readonly waste = new Int32Array(LEVEL_COUNT);
  cost = 0;

  readonly #forest: PageForest;
  readonly #costs: CostModel;

  constructor(forest: PageForest, costs: CostModel) {
    this.#forest = forest;
    this.#costs = costs;
  }

  reserve(): void {
    this.level = grownInt32(this.level, this.#forest.nodeCount);
    this.from = grownInt32(this.from, this.#forest.nodeCount);
  }

  /** Effect: computes shapes, waste and cost from `level` and `from`, for a step of `rowCount` rows. O(nodes). */
  measure(rowCount: number): void {
    this.cost = 0;
    for (let level = 0; level < LEVEL_COUNT; level += 1) this.cost += this.#measureLevel(level, rowCount);
  }

  #measureLevel(level: number, rowCount: number): number {
    const { nodeCount, end, rows } = this.#forest;
    let items = 0;
    let mostRows = 0;
    let fewestRows = rowCount;
    let mostPages = 0;
    let readingRows = 0;
    let bare = this.#costs.ofLevel(rowCount);
    for (let node = 0; node < nodeCount; node += 1) {
      if (this.level[node] !== level) continue;
      const pages = end[node]! - this.from[node]!;
      const nodeRows = rows[node]!;
      items += 1;
      if (nodeRows > mostRows) mostRows = nodeRows;
      if (nodeRows < fewestRows) fewestRows = nodeRows;
      if (pages > mostPages) mostPages = pages;
      readingRows += nodeRows;
      bare += this.#costs.ofGroups(1, nodeRows, pages);
    }
    this.groups[level] = 0;
    this.waste[level] = 0;
    if (items === 0) return 0;
    const nullGroups = readingRows < rowCount ? 1 : 0;
    const isEven = fewestRows === mostRows && (nullGroups === 0 || mostRows === 1);
    const cap = isEven ? mostRows : this.#cheapestRowCap(level, mostRows, nullGroups);
    this.rowsPerGroup[level] = cap;
    this.pagesPerGroup[level] = mostPages;
    this.needsNullGroup[level] = nullGroups;
    this.groups[level] = this.#groupsOf(level, cap) + nullGroups;
    const cost = this.#costs.ofLevel(rowCount) + this.#costs.ofGroups(this.groups[level]!, cap, mostPages);
    this.waste[level] = cost - bare;
    return cost;
  }

  /**
   * Rows a group that cost least when groups of very different numbers of rows share a level: a node of more rows becomes several
   * groups over the same pages, so that one long chunk pads neither every other group nor the one of no tokens to its own length.
   */
  #cheapestRowCap(level: number, mostRows: number, nullGroups: number): number {
    let best = mostRows;
    let bestCost = Number.POSITIVE_INFINITY;
    for (let parts = 1; parts < 2 * mostRows; parts *= 2) {
      const cap = Math.ceil(mostRows / parts);
      const cost = this.#costs.ofGroups(this.#groupsOf(level, cap) + nullGroups, cap, 1);
      if (cost >= bestCost) continue;
      best = cap;
      bestCost = cost;
    }
    return best;
  }

  #groupsOf(level: number, cap: number): number {
    const { nodeCount, rows } = this.#forest;
    let groups = 0;
    for (let node = 0; node < nodeCount; node += 1) {
      if (this.level[node] === level) groups += Math.ceil(rows[node]! / cap);
    }
    return groups;
  }
}
