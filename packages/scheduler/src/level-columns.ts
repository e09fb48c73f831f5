import { NULL_PAGE } from '@octavo/kv';
import { grownInt32, NO_INT32 } from './columns.ts';
import type { LevelDraft } from './level-draft.ts';
import type { PageForest } from './page-forest.ts';
import type { LevelPlan } from './step-plan.ts';

/** Above every position: what a group without rows yet begins with. */
const HIGHEST_POSITION = 0x7fffffff;

/** One level of a plan as reused columns, filled from a draft. */
export class LevelColumns implements LevelPlan {
  groupCount = 0;
  rowsPerGroup = 0;
  pagesPerGroup = 0;
  rows = NO_INT32;
  pages = NO_INT32;
  tokens = NO_INT32;
  rowAt = NO_INT32;
  /** [groupCount] position of the group's first token. */
  firstPositions = NO_INT32;
  /** [groupCount] lowest position of a row of the group: no other row sees tokens further back. */
  lowestPositions = NO_INT32;
  /** Page reads that are padding. */
  paddingPages = 0;

  #filled = 0;

  /** Effect: the level is unused. */
  clear(): void {
    this.groupCount = 0;
    this.rowsPerGroup = 0;
    this.pagesPerGroup = 0;
    this.paddingPages = 0;
  }

  /** Effect: writes the groups that `draft` puts at `level`, for a step of `rowCount` rows. O(nodes + rows + pages). */
  fill(forest: PageForest, draft: LevelDraft, level: number, rowCount: number): void {
    this.clear();
    const groups = draft.groups[level]!;
    if (groups === 0) return;
    this.#shape(groups, draft.rowsPerGroup[level]!, draft.pagesPerGroup[level]!);
    this.rowAt = grownInt32(this.rowAt, rowCount);
    // The null group comes last; its place is the answer for every row that no group below takes.
    this.rowAt.fill((groups - 1) * this.rowsPerGroup, 0, rowCount);
    this.#filled = 0;
    for (let node = 0; node < forest.nodeCount; node += 1) {
      if (draft.level[node] === level) this.#addNode(forest, node, draft.from[node]!);
    }
    if (draft.needsNullGroup[level] === 1) {
      this.tokens[this.#filled] = 0;
      this.firstPositions[this.#filled] = 0;
      this.lowestPositions[this.#filled] = 0;
      this.paddingPages += this.pagesPerGroup;
    }
  }

  #shape(groups: number, rowsPerGroup: number, pagesPerGroup: number): void {
    this.groupCount = groups;
    this.rowsPerGroup = rowsPerGroup;
    this.pagesPerGroup = pagesPerGroup;
    this.rows = grownInt32(this.rows, groups * rowsPerGroup);
    this.pages = grownInt32(this.pages, groups * pagesPerGroup);
    this.tokens = grownInt32(this.tokens, groups);
    this.firstPositions = grownInt32(this.firstPositions, groups);
    this.lowestPositions = grownInt32(this.lowestPositions, groups);
    this.rows.fill(0, 0, groups * rowsPerGroup);
    this.pages.fill(NULL_PAGE, 0, groups * pagesPerGroup);
  }

  /** All rows below a node, in groups of at most `rowsPerGroup` over the same pages. */
  #addNode(forest: PageForest, node: number, from: number): void {
    const { past } = forest;
    let place = this.rowsPerGroup;
    for (let at = forest.first[node]!; at <= forest.last[node]!; at += 1) {
      const member = forest.memberAt(at);
      const firstRow = past.firstRow[member]!;
      const endRow = firstRow + past.rows[member]!;
      for (let row = firstRow; row < endRow; row += 1) {
        if (place === this.rowsPerGroup) {
          this.#openGroup(forest, node, from);
          place = 0;
        }
        const group = this.#filled - 1;
        const target = group * this.rowsPerGroup + place;
        const position = past.tokens[member]! + row - firstRow;
        if (position < this.lowestPositions[group]!) this.lowestPositions[group] = position;
        this.rows[target] = row;
        this.rowAt[row] = target;
        place += 1;
      }
    }
  }

  #openGroup(forest: PageForest, node: number, from: number): void {
    const { past } = forest;
    const member = forest.memberAt(forest.first[node]!);
    const table = past.tables[member]!;
    const end = forest.end[node]!;
    const group = this.#filled;
    let target = group * this.pagesPerGroup;
    for (let page = from; page < end; page += 1) {
      this.pages[target] = table[page]!;
      target += 1;
    }
    this.firstPositions[group] = from * forest.pageSize;
    this.lowestPositions[group] = HIGHEST_POSITION;
    this.tokens[group] = Math.min(end * forest.pageSize, past.tokens[member]!) - from * forest.pageSize;
    this.paddingPages += this.pagesPerGroup - (end - from);
    this.#filled = group + 1;
  }
}
