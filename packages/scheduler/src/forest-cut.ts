import { grownInt32, grownUint8, NO_FLAGS, NO_INT32 } from './columns.ts';
import { type PageForest, ROOT } from './page-forest.ts';

/**
 * Which shared nodes of a forest are read as groups of their own. The pages of a node that is not kept are read by each group below it
 * ("folded"): once a group instead of once. `from` follows from what is kept.
 */
export class ForestCut {
  /** [sharedCount] 1: the node is a group of its own. */
  kept = NO_FLAGS;
  /** [nodeCount] first page of the node when it is a group: the end of the nearest kept node above it. */
  from = NO_INT32;
  /** [sharedCount] groups whose nearest kept node above is this one: its pages are read this often when it is folded. */
  below = NO_INT32;
  /** [sharedCount] kept nodes from the root to this one, itself included when it is kept. */
  depth = NO_INT32;
  /** Kept nodes on the path that has most of them. */
  deepest = 0;

  readonly #forest: PageForest;
  #nearest = NO_INT32;
  #height = NO_INT32;

  constructor(forest: PageForest) {
    this.#forest = forest;
  }

  /** Effect: keeps every shared node. */
  keepAll(): void {
    const { sharedCount, nodeCount } = this.#forest;
    this.kept = grownUint8(this.kept, sharedCount);
    this.from = grownInt32(this.from, nodeCount);
    this.below = grownInt32(this.below, sharedCount);
    this.depth = grownInt32(this.depth, sharedCount);
    this.#nearest = grownInt32(this.#nearest, sharedCount);
    this.#height = grownInt32(this.#height, sharedCount);
    this.kept.fill(1, 0, sharedCount);
    this.settle();
  }

  /** Effect: folds the nodes that cost least until no path has more than `levels` kept ones. O(nodes) a folded node. */
  foldTo(levels: number): void {
    while (this.deepest > levels) {
      const node = this.#cheapestFold(levels);
      this.kept[node] = 0;
      this.settle();
    }
  }

  /** Page reads that keeping `node` saves. */
  savedReads(node: number): number {
    return (this.below[node]! - 1) * (this.#forest.end[node]! - this.from[node]!);
  }

  /** Effect: derives `from`, `below`, `depth` and `deepest` from `kept`. O(nodes). */
  settle(): void {
    const { sharedCount, nodeCount, parent, end } = this.#forest;
    this.below.fill(0, 0, sharedCount);
    this.deepest = 0;
    // Parents have higher numbers than their shared children.
    for (let node = sharedCount - 1; node >= 0; node -= 1) this.#settleShared(node);
    for (let node = sharedCount; node < nodeCount; node += 1) {
      const above = parent[node]!;
      const keeper = above === ROOT ? ROOT : this.#nearest[above]!;
      this.from[node] = keeper === ROOT ? 0 : end[keeper]!;
      if (keeper !== ROOT) this.below[keeper] = this.below[keeper]! + 1;
    }
  }

  #settleShared(node: number): void {
    const { parent, end } = this.#forest;
    const above = parent[node]!;
    const keeper = above === ROOT ? ROOT : this.#nearest[above]!;
    const isKept = this.kept[node]!;
    this.from[node] = keeper === ROOT ? 0 : end[keeper]!;
    this.depth[node] = (above === ROOT ? 0 : this.depth[above]!) + isKept;
    this.#nearest[node] = isKept === 1 ? node : keeper;
    if (isKept === 1 && keeper !== ROOT) this.below[keeper] = this.below[keeper]! + 1;
    if (this.depth[node]! > this.deepest) this.deepest = this.depth[node]!;
  }

  /** The kept node on a path of more than `levels` kept ones that saves least. */
  #cheapestFold(levels: number): number {
    const { sharedCount, parent } = this.#forest;
    this.#height.fill(0, 0, sharedCount);
    let cheapest = ROOT;
    for (let node = 0; node < sharedCount; node += 1) {
      const height = this.#height[node]! + this.kept[node]!;
      const above = parent[node]!;
      if (above !== ROOT && height > this.#height[above]!) this.#height[above] = height;
      if (this.kept[node] === 0 || this.depth[node]! + this.#height[node]! <= levels) continue;
      if (cheapest === ROOT || this.savedReads(node) < this.savedReads(cheapest)) cheapest = node;
    }
    return cheapest;
  }
}
