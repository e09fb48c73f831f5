/** The blocks of positions that the rows of a step read, each once: those of several sequences that have the same pages are one. */
import { NULL_PAGE } from '@octavo/kv';
import type { LevelPlan, StepPlan } from '@octavo/scheduler';
import { brokenInvariant } from '../errors.ts';
import { grown } from './grid-columns.ts';

/**
 * Tokens of a block, rounded up to whole pages. Fixed: bits depend on it. Whoever changes it raises COMPILER_VERSION of the compiler too, so that rows in
 * cache files, which have other bits then, are not taken for the same. Small ones leave less of a shared run in blocks that end otherwise, large ones give fewer parts to merge.
 */
const BLOCK_TOKENS = 256;

const NONE = -1;

export class GridBlocks {
  /** Blocks of the last `build`. */
  count = 0;
  /** Of one sequence. */
  mostBlocks = 1;
  readonly pageSize: number;
  readonly blockTokens: number;
  readonly #blockPages: number;
  /** [sequences] */
  #blockStart = new Int32Array(0);
  #pageStart = new Int32Array(0);
  /** Page tables of the sequences, one after the other, pages that the step fills included. */
  #tables = new Int32Array(0);
  /** Block of every sequence and index, sequences one after the other. */
  #blockAt = new Int32Array(0);
  /** [count] */
  #rows = new Int32Array(0);
  #index = new Int32Array(0);
  #firstPage = new Int32Array(0);
  #pages = new Int32Array(0);
  #written = new Uint8Array(0);
  #level = new Int32Array(0);
  #group = new Int32Array(0);
  #taken = new Int32Array(0);
  /** The next block that begins with the same page. */
  #next = new Int32Array(0);
  /** By page: the last block that begins with it; of this step if that block says so too. */
  #beginning = new Int32Array(0);
  #counts = new Int32Array(0);

  constructor(pageSize: number) {
    this.pageSize = pageSize;
    this.#blockPages = Math.ceil(BLOCK_TOKENS / pageSize);
    this.blockTokens = this.#blockPages * pageSize;
  }

  isWritten(block: number): boolean {
    return this.#written[block] === 1;
  }

  rowCount(block: number): number {
    return this.#rows[block] as number;
  }

  pageCount(block: number): number {
    return this.#pages[block] as number;
  }

  firstPosition(block: number): number {
    return (this.#index[block] as number) * this.blockTokens;
  }

  levelOf(block: number): number {
    return this.#level[block] as number;
  }

  groupOf(block: number): number {
    return this.#group[block] as number;
  }

  /** Of the sequence at a place of the step. */
  blocksOf(place: number): number {
    return (this.#blockStart[place + 1] as number) - (this.#blockStart[place] as number);
  }

  /** `index` counts from the sequence's first position. */
  blockOf(place: number, index: number): number {
    return this.#blockAt[(this.#blockStart[place] as number) + index] as number;
  }

  assign(block: number, level: number, group: number): void {
    this.#level[block] = level;
    this.#group[block] = group;
  }

  /** The place of the block's next row in its group. */
  takeRow(block: number): number {
    const taken = this.#taken[block] as number;
    this.#taken[block] = taken + 1;
    return taken;
  }

  copyPages(block: number, into: Int32Array): void {
    const from = this.#firstPage[block] as number;
    const pages = this.#pages[block] as number;
    into.set(this.#tables.subarray(from, from + pages));
    into.fill(NULL_PAGE, pages);
  }

  /** How many blocks of a kind have each number of rows: [rowCount + 1], valid until the next call. */
  countByRows(isWritten: boolean, rowCount: number): Int32Array {
    this.#counts = grown(this.#counts, rowCount + 1);
    this.#counts.fill(0, 0, rowCount + 1);
    for (let block = 0; block < this.count; block += 1) {
      if (this.isWritten(block) === isWritten) this.#counts[this.#rows[block] as number]! += 1;
    }
    return this.#counts;
  }

  /** Effect: the blocks of a step, each with its pages and number of rows. `plan` must be of a scheduler with flat attention. */
  build(plan: StepPlan): void {
    this.#reserve(plan);
    this.count = 0;
    this.mostBlocks = 1;
    for (let place = 0; place < plan.sequenceCount; place += 1) {
      this.#copyTable(plan, place);
      this.mostBlocks = Math.max(this.mostBlocks, this.blocksOf(place));
      for (let index = 0; index < this.blocksOf(place); index += 1) this.#addBlock(plan, place, index);
    }
  }

  #reserve(plan: StepPlan): void {
    this.#blockStart = grown(this.#blockStart, plan.sequenceCount + 1);
    this.#pageStart = grown(this.#pageStart, plan.sequenceCount);
    let pages = 0;
    let blocks = 0;
    for (let place = 0; place < plan.sequenceCount; place += 1) {
      const tokens = pastOf(plan, place) + (plan.scheduledTokens[place] as number);
      this.#blockStart[place] = blocks;
      this.#pageStart[place] = pages;
      blocks += Math.ceil(tokens / this.blockTokens);
      pages += Math.ceil(tokens / this.pageSize);
    }
    this.#blockStart[plan.sequenceCount] = blocks;
    this.#tables = grown(this.#tables, pages);
    this.#tables.fill(NULL_PAGE, 0, pages);
    if (this.#rows.length >= blocks) return;
    const column = () => new Int32Array(2 * blocks);
    this.#blockAt = column();
    this.#rows = column();
    this.#index = column();
    this.#firstPage = column();
    this.#pages = column();
    this.#written = new Uint8Array(2 * blocks);
    this.#level = column();
    this.#group = column();
    this.#taken = column();
    this.#next = column();
  }

  /** Pages of the past are those of the sequence's group in the flat plan, others those that the step writes. */
  #copyTable(plan: StepPlan, place: number): void {
    const firstRow = plan.firstRow[place] as number;
    const start = this.#pageStart[place] as number;
    const past = pastOf(plan, place);
    if (past > 0) this.#tables.set(this.#pastPages(plan, firstRow, past), start);
    if (!plan.writes) return;
    for (let row = firstRow; row < firstRow + (plan.scheduledTokens[place] as number); row += 1) {
      const index = Math.floor((plan.positions[row] as number) / this.pageSize);
      this.#tables[start + index] = Math.floor((plan.slots[row] as number) / this.pageSize);
    }
  }

  #pastPages(plan: StepPlan, row: number, past: number): Int32Array {
    const level = plan.levels[0] as LevelPlan;
    const group = level.groupCount === 0 ? NONE : Math.floor((level.rowAt[row] as number) / level.rowsPerGroup);
    const tokens = level.tokens[group] ?? 0;
    if (tokens !== past) {
      throw brokenInvariant(`row ${row} has a past of ${past} tokens, but its group of the flat plan reads ${tokens}`);
    }
    const first = group * level.pagesPerGroup;
    return level.pages.subarray(first, first + Math.ceil(past / this.pageSize));
  }

  #addBlock(plan: StepPlan, place: number, index: number): void {
    const at = (this.#blockStart[place] as number) + index;
    const past = pastOf(plan, place);
    const rows = plan.scheduledTokens[place] as number;
    const first = (this.#pageStart[place] as number) + index * this.#blockPages;
    const isWritten = (index + 1) * this.blockTokens > past;
    const known = isWritten ? NONE : this.#find(first, index);
    if (known !== NONE) {
      this.#rows[known]! += rows;
      this.#blockAt[at] = known;
      return;
    }
    const block = this.count;
    this.#blockAt[at] = block;
    this.#index[block] = index;
    this.#firstPage[block] = first;
    const pages = Math.ceil((past + rows) / this.pageSize) - index * this.#blockPages;
    this.#pages[block] = Math.min(pages, this.#blockPages);
    this.#written[block] = isWritten ? 1 : 0;
    // Rows before the block see nothing of it.
    this.#rows[block] = rows - Math.max(0, index * this.blockTokens - past);
    this.#taken[block] = 0;
    if (!isWritten) this.#remember(block);
    this.count += 1;
  }

  /** A whole block with these pages, which begin at `first` of the tables. */
  #find(first: number, index: number): number {
    let block = this.#lastBeginning(this.#tables[first] as number);
    while (block !== NONE && !this.#isSame(block, first, index)) block = this.#next[block] as number;
    return block;
  }

  #isSame(block: number, first: number, index: number): boolean {
    if (this.#index[block] !== index) return false;
    const known = this.#firstPage[block] as number;
    for (let page = 0; page < this.#blockPages; page += 1) {
      if (this.#tables[known + page] !== this.#tables[first + page]) return false;
    }
    return true;
  }

  /** The last whole block of this step that begins with a page. What an earlier step left is told by its block: it begins with another page now, or is none. */
  #lastBeginning(page: number): number {
    const block = this.#beginning[page] ?? NONE;
    if (block === NONE || block >= this.count || this.isWritten(block)) return NONE;
    return this.#tables[this.#firstPage[block] as number] === page ? block : NONE;
  }

  #remember(block: number): void {
    const page = this.#tables[this.#firstPage[block] as number] as number;
    if (page >= this.#beginning.length) {
      const longer = new Int32Array(2 * (page + 1)).fill(NONE);
      longer.set(this.#beginning);
      this.#beginning = longer;
    }
    this.#next[block] = this.#lastBeginning(page);
    this.#beginning[page] = block;
  }
}

function pastOf(plan: StepPlan, place: number): number {
  return plan.positions[plan.firstRow[place] as number] as number;
}
