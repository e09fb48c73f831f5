/**
 * What a deterministic graph reads, from a plan that reads everything flat. The past of every sequence is cut into blocks at fixed positions; sequences
 * whose pages of a block are the same read it as one group, so that their rows share a product. Blocks that the step writes into belong to one
 * sequence. Which rows share a group depends on the step, what a row reads block by block does not.
 *
 * Reused columns: once the largest step has been seen, what is allocated is a view or two for each block.
 */
import { type GridLevelKind, gridLevels } from '@octavo/graph';
import type { StepPlan } from '@octavo/scheduler';
import { GridBlocks } from './grid-blocks.ts';
import { grown, leastPaddedRows } from './grid-columns.ts';

/** Of one level, as the graph reads it; `step-interface.ts` of the compiler says what the columns hold. */
export interface GridLevelColumns {
  readonly kind: GridLevelKind;
  /** 0: the level is off, and the columns hold nothing. */
  readonly groupCount: number;
  readonly rowsPerGroup: number;
  readonly pagesPerGroup: number;
  /** [groupCount, rowsPerGroup] padded with row 0 */
  readonly rows: Int32Array;
  /** [groupCount, pagesPerGroup] padded with the null page */
  readonly pages: Int32Array;
  /** [groupCount] */
  readonly first: Int32Array;
  readonly writtenCount: number;
  /** [writtenCount] */
  readonly written: Int32Array;
  readonly writtenAt: Int32Array;
}

class GridLevel implements GridLevelColumns {
  readonly kind: GridLevelKind;
  groupCount = 0;
  rowsPerGroup = 0;
  pagesPerGroup = 0;
  rows = new Int32Array(0);
  pages = new Int32Array(0);
  first = new Int32Array(0);
  writtenCount = 0;
  written = new Int32Array(0);
  writtenAt = new Int32Array(0);
  /** Place of its first row among those of all levels. */
  firstPlace = 0;

  constructor(kind: GridLevelKind) {
    this.kind = kind;
  }

  clear(leastRows: number): void {
    this.groupCount = 0;
    this.rowsPerGroup = leastRows;
    this.pagesPerGroup = 1;
    this.writtenCount = 0;
  }

  /** Effect: room for its groups; every place padded. */
  reserve(rowCount: number): void {
    const places = this.groupCount * this.rowsPerGroup;
    this.rows = grown(this.rows, places);
    this.rows.fill(0, 0, places);
    this.pages = grown(this.pages, this.groupCount * this.pagesPerGroup);
    this.first = grown(this.first, this.groupCount);
    this.written = grown(this.written, rowCount);
    this.writtenAt = grown(this.writtenAt, rowCount);
  }
}

/** Numbers that a vector kernel takes at once, at least. Those left over may be added in another order, which must not follow from the step. */
const LANES = 4;

export interface GridOptions {
  readonly pageSize: number;
  /** Rows of a group at least, padding included; a product with a single row rounds differently. */
  readonly leastRows: number;
}

export class FixedGrid {
  /** Of the last `build`, as `gridLevels`. */
  readonly levels: readonly GridLevelColumns[];
  /** [blocksPerRow, rows] of the last `build`: blocks outermost, where they are summed in order. */
  partAt = new Int32Array(0);
  /** Of the longest sequence, and where a vector kernel that takes four at a time would begin, a multiple of four. */
  blocksPerRow = 1;
  readonly #levels: readonly GridLevel[];
  readonly #leastRows: number;
  readonly #blocks: GridBlocks;

  constructor({ pageSize, leastRows }: GridOptions) {
    this.#leastRows = leastRows;
    this.#blocks = new GridBlocks(pageSize);
    this.#levels = gridLevels.map((kind) => new GridLevel(kind));
    this.levels = this.#levels;
  }

  /** Effect: fills `levels` and `partAt`. `plan` must be of a scheduler with flat attention. O(rows x blocks + pages). */
  build(plan: StepPlan): void {
    const blocks = this.#blocks;
    blocks.build(plan);
    for (const level of this.#levels) level.clear(this.#leastRows);
    this.#assign('whole', plan.rowCount);
    this.#assign('written', plan.rowCount);
    this.#reserve(plan);
    for (let block = 0; block < blocks.count; block += 1) this.#fillPages(block);
    for (let place = 0; place < plan.sequenceCount; place += 1) this.#fillRows(plan, place);
  }

  /** Effect: gives every block of a kind a level, by its rows, and its group there. */
  #assign(kind: GridLevelKind, rowCount: number): void {
    const blocks = this.#blocks;
    const [few, many] = this.#levels.flatMap((level, at) => (level.kind === kind ? [at] : [])) as [number, number];
    const most = leastPaddedRows(blocks.countByRows(kind === 'written', rowCount), rowCount);
    for (let block = 0; block < blocks.count; block += 1) {
      if (blocks.isWritten(block) !== (kind === 'written')) continue;
      const index = blocks.rowCount(block) <= most ? few : many;
      const level = this.#levels[index] as GridLevel;
      blocks.assign(block, index, level.groupCount);
      level.groupCount += 1;
      level.rowsPerGroup = Math.max(level.rowsPerGroup, blocks.rowCount(block));
      level.pagesPerGroup = Math.max(level.pagesPerGroup, blocks.pageCount(block));
    }
  }

  #reserve(plan: StepPlan): void {
    let places = 1;
    for (const level of this.#levels) {
      level.firstPlace = places;
      places += Math.max(level.groupCount * level.rowsPerGroup, 1);
      level.reserve(plan.rowCount);
    }
    const { mostBlocks } = this.#blocks;
    // Sums of one or two numbers are the same however many zeros follow, and in whichever lanes they stand.
    this.blocksPerRow = mostBlocks > 2 ? Math.ceil(mostBlocks / LANES) * LANES : mostBlocks;
    const parts = plan.rowCount * this.blocksPerRow;
    this.partAt = grown(this.partAt, parts);
    this.partAt.fill(0, 0, parts);
  }

  #fillPages(block: number): void {
    const blocks = this.#blocks;
    const level = this.#levels[blocks.levelOf(block)] as GridLevel;
    const group = blocks.groupOf(block);
    level.first[group] = blocks.firstPosition(block);
    const from = group * level.pagesPerGroup;
    blocks.copyPages(block, level.pages.subarray(from, from + level.pagesPerGroup));
  }

  #fillRows(plan: StepPlan, place: number): void {
    const blocks = this.#blocks;
    const firstRow = plan.firstRow[place] as number;
    const end = firstRow + (plan.scheduledTokens[place] as number);
    const count = blocks.blocksOf(place);
    for (let index = 0; index < count; index += 1) {
      const block = blocks.blockOf(place, index);
      const level = this.#levels[blocks.levelOf(block)] as GridLevel;
      const group = blocks.groupOf(block);
      const start = blocks.firstPosition(block);
      const width = level.pagesPerGroup * blocks.pageSize;
      for (let row = firstRow; row < end; row += 1) {
        const position = plan.positions[row] as number;
        if (position < start) continue;
        const at = group * level.rowsPerGroup + blocks.takeRow(block);
        level.rows[at] = row;
        this.partAt[index * plan.rowCount + row] = level.firstPlace + at;
        if (level.kind === 'whole' || position >= start + blocks.blockTokens) continue;
        level.written[level.writtenCount] = row;
        level.writtenAt[level.writtenCount] = group * width + position - start;
        level.writtenCount += 1;
      }
    }
  }
}
