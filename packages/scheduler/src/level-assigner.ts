import { grownInt32, NO_INT32 } from './columns.ts';
import type { CostModel } from './cost-model.ts';
import { ForestCut } from './forest-cut.ts';
import { LevelDraft, NO_LEVEL } from './level-draft.ts';
import type { PageForest } from './page-forest.ts';
import { LEVEL_COUNT } from './step-plan.ts';

/** Weak shared nodes that are tried as folded, for each number of shared levels. */
const FOLD_TRIALS = 4;

/**
 * Chooses which page runs of a forest are groups, and at which level. For 0, 1 and 2 levels of shared runs it
 *
 *  1. folds the runs that save least until no path is deeper (`ForestCut`), and puts the leaves on one more level;
 *  2. splits the level that wastes most by padding into two by shape, while a level is unused: long tails from short ones, the past of
 *     a chunk of many rows from those of single rows;
 *  3. folds weak shared runs whose padding costs more than they save;
 *
 * and takes the cheapest outcome. Within a level, `LevelDraft` splits nodes of many rows. Not optimal, but never worse than reading
 * everything flat in one level, which is the outcome for 0 before step 2. Typically O(nodes).
 */
export class LevelAssigner {
  readonly #forest: PageForest;
  readonly #costs: CostModel;
  readonly #cut: ForestCut;
  #draft: LevelDraft;
  #best: LevelDraft;
  // Scratch of a split: nodes of the level in falling order of pages or rows, and what the nodes from each on need.
  #items = NO_INT32;
  #restRows = NO_INT32;
  #restPages = NO_INT32;
  #itemCount = 0;

  constructor(forest: PageForest, costs: CostModel) {
    this.#forest = forest;
    this.#costs = costs;
    this.#cut = new ForestCut(forest);
    this.#draft = new LevelDraft(forest, costs);
    this.#best = new LevelDraft(forest, costs);
  }

  /** The cheapest draft found for a step of `rowCount` rows; borrowed until the next call. */
  assign(rowCount: number): LevelDraft {
    this.#reserve();
    this.#cut.keepAll();
    const mostShared = Math.min(this.#cut.deepest, LEVEL_COUNT - 1);
    for (let shared = mostShared; shared >= 0; shared -= 1) {
      this.#cut.foldTo(shared);
      this.#begin(shared, rowCount);
      this.#splitLevels(rowCount);
      this.#foldWeak(rowCount);
      if (shared === mostShared || this.#draft.cost <= this.#best.cost) this.#keepDraft();
    }
    return this.#best;
  }

  /** One level, every sequence for itself: what there is without sharing. */
  assignFlat(rowCount: number): LevelDraft {
    this.#reserve();
    this.#cut.keepAll();
    this.#cut.foldTo(0);
    this.#begin(0, rowCount);
    this.#keepDraft();
    return this.#best;
  }

  #keepDraft(): void {
    const kept = this.#draft;
    this.#draft = this.#best;
    this.#best = kept;
  }

  /** Kept nodes by their depth, leaves behind them. */
  #begin(sharedLevels: number, rowCount: number): void {
    const { sharedCount, nodeCount, end } = this.#forest;
    const { kept, depth, from } = this.#cut;
    const draft = this.#draft;
    for (let node = 0; node < nodeCount; node += 1) {
      draft.from[node] = from[node]!;
      if (node < sharedCount) draft.level[node] = kept[node] === 1 ? depth[node]! - 1 : NO_LEVEL;
      else draft.level[node] = end[node]! > from[node]! ? sharedLevels : NO_LEVEL;
    }
    draft.measure(rowCount);
  }

  #splitLevels(rowCount: number): void {
    for (;;) {
      const unused = this.#draft.groups.indexOf(0);
      const level = this.#wasteful(rowCount);
      if (unused < 0 || level === NO_LEVEL) return;
      if (!this.#trySplit(level, unused, rowCount)) return;
    }
  }

  /** The level that wastes most, if a level of its own could cost less than that. */
  #wasteful(rowCount: number): number {
    let worst = NO_LEVEL;
    let most = this.#costs.ofLevel(rowCount);
    for (let level = 0; level < LEVEL_COUNT; level += 1) {
      if (this.#draft.waste[level]! <= most) continue;
      most = this.#draft.waste[level]!;
      worst = level;
    }
    return worst;
  }

  /** Moves the larger items of `level`, by pages or by rows, to `unused`; false, and no change, when that does not pay. */
  #trySplit(level: number, unused: number, rowCount: number): boolean {
    const draft = this.#draft;
    const before = draft.cost;
    this.#collect(level);
    this.#sortItems('rows');
    const byRows = this.#bestSplit();
    const rowsCost = this.#splitCost(byRows);
    this.#sortItems('pages');
    const byPages = this.#bestSplit();
    let moved = byPages;
    if (rowsCost < this.#splitCost(byPages)) {
      this.#sortItems('rows');
      moved = byRows;
    }
    for (let item = 0; item < moved; item += 1) draft.level[this.#items[item]!] = unused;
    draft.measure(rowCount);
    if (draft.cost < before) return true;
    for (let item = 0; item < moved; item += 1) draft.level[this.#items[item]!] = level;
    draft.measure(rowCount);
    return false;
  }

  #collect(level: number): void {
    this.#itemCount = 0;
    for (let node = 0; node < this.#forest.nodeCount; node += 1) {
      if (this.#draft.level[node] !== level) continue;
      this.#items[this.#itemCount] = node;
      this.#itemCount += 1;
    }
  }

  #pages(node: number): number {
    return this.#forest.end[node]! - this.#draft.from[node]!;
  }

  /** Insertion sort, falling, stable: no allocation, and linear when the order of the last sort holds. */
  #sortItems(key: 'rows' | 'pages'): void {
    const { rows } = this.#forest;
    for (let place = 1; place < this.#itemCount; place += 1) {
      const node = this.#items[place]!;
      const value = key === 'rows' ? rows[node]! : this.#pages(node);
      let hole = place;
      for (; hole > 0; hole -= 1) {
        const other = this.#items[hole - 1]!;
        if ((key === 'rows' ? rows[other]! : this.#pages(other)) >= value) break;
        this.#items[hole] = other;
      }
      this.#items[hole] = node;
    }
    this.#measureRests();
  }

  #measureRests(): void {
    this.#restRows[this.#itemCount] = 0;
    this.#restPages[this.#itemCount] = 0;
    for (let item = this.#itemCount - 1; item >= 0; item -= 1) {
      const node = this.#items[item]!;
      this.#restRows[item] = Math.max(this.#restRows[item + 1]!, this.#forest.rows[node]!);
      this.#restPages[item] = Math.max(this.#restPages[item + 1]!, this.#pages(node));
    }
  }

  /** How many of the sorted items are best moved away. */
  #bestSplit(): number {
    let best = 1;
    let bestCost = Number.POSITIVE_INFINITY;
    let rows = 0;
    let pages = 0;
    for (let moved = 1; moved < this.#itemCount; moved += 1) {
      const node = this.#items[moved - 1]!;
      rows = Math.max(rows, this.#forest.rows[node]!);
      pages = Math.max(pages, this.#pages(node));
      const cost = this.#costs.ofGroups(moved, rows, pages) + this.#restCost(moved);
      if (cost >= bestCost) continue;
      best = moved;
      bestCost = cost;
    }
    return best;
  }

  #restCost(moved: number): number {
    return this.#costs.ofGroups(this.#itemCount - moved, this.#restRows[moved]!, this.#restPages[moved]!);
  }

  /** Cost of the two parts, before rows are capped. */
  #splitCost(moved: number): number {
    let rows = 0;
    let pages = 0;
    for (let item = 0; item < moved; item += 1) {
      rows = Math.max(rows, this.#forest.rows[this.#items[item]!]!);
      pages = Math.max(pages, this.#pages(this.#items[item]!));
    }
    return this.#costs.ofGroups(moved, rows, pages) + this.#restCost(moved);
  }

  /** Folds kept nodes that save little, as long as the whole gets cheaper. */
  #foldWeak(rowCount: number): void {
    for (let trial = 0; trial < FOLD_TRIALS; trial += 1) {
      const node = this.#weakest();
      if (node === NO_LEVEL) return;
      const before = this.#draft.cost;
      const level = this.#draft.level[node]!;
      this.#setKept(node, NO_LEVEL);
      this.#draft.measure(rowCount);
      if (this.#draft.cost < before) continue;
      this.#setKept(node, level);
      this.#draft.measure(rowCount);
      return;
    }
  }

  /** The kept node that saves least, among those that share their level with another. */
  #weakest(): number {
    let weakest = NO_LEVEL;
    for (let node = 0; node < this.#forest.sharedCount; node += 1) {
      const level = this.#draft.level[node]!;
      if (level === NO_LEVEL || this.#draft.groups[level]! - this.#draft.needsNullGroup[level]! < 2) continue;
      if (weakest === NO_LEVEL || this.#cut.savedReads(node) < this.#cut.savedReads(weakest)) weakest = node;
    }
    return weakest;
  }

  /** Keeps or folds `node`. A leaf that had no pages of its own and now reads those of `node` takes over its level. */
  #setKept(node: number, level: number): void {
    const { nodeCount, sharedCount } = this.#forest;
    const draft = this.#draft;
    const freed = draft.level[node]!;
    this.#cut.kept[node] = level === NO_LEVEL ? 0 : 1;
    this.#cut.settle();
    draft.level[node] = level;
    for (let each = 0; each < nodeCount; each += 1) {
      draft.from[each] = this.#cut.from[each]!;
      if (each < sharedCount) continue;
      if (this.#pages(each) === 0) draft.level[each] = NO_LEVEL;
      else if (draft.level[each] === NO_LEVEL) draft.level[each] = freed;
    }
  }

  #reserve(): void {
    const { nodeCount } = this.#forest;
    this.#draft.reserve();
    this.#best.reserve();
    this.#items = grownInt32(this.#items, nodeCount);
    this.#restRows = grownInt32(this.#restRows, nodeCount + 1);
    this.#restPages = grownInt32(this.#restPages, nodeCount + 1);
  }
}
