import { NULL_PAGE, pagesFor } from '@octavo/kv';
import { checkWindow } from './check-window.ts';
import type { PlanInspection } from './plan-inspection.ts';
import type { LevelPlan, StepPlan } from './step-plan.ts';

/** How often each row of a step reads each position of its sequence: what its levels, its chunk and itself come to. */
class PositionReads {
  readonly violations: string[];
  readonly #pageSize: number;
  readonly #owner: number[] = [];
  /** [rowCount][position] */
  readonly #counts: Uint8Array[] = [];
  /** [rowCount] page -> its index in the table of the row's sequence. */
  readonly #indexOfPage: ReadonlyMap<number, number>[] = [];

  constructor(plan: StepPlan, inspection: PlanInspection, violations: string[]) {
    this.violations = violations;
    this.#pageSize = inspection.pageSize;
    for (let place = 0; place < plan.sequenceCount; place += 1) {
      const id = plan.sequences[place]!;
      const indexOfPage = indexesOf(inspection, id);
      for (let at = 0; at < plan.scheduledTokens[place]!; at += 1) {
        this.#owner.push(id);
        this.#counts.push(new Uint8Array(plan.positions[this.#counts.length]!));
        this.#indexOfPage.push(indexOfPage);
      }
    }
  }

  /** `row` reads the first `tokens` tokens of `page`. */
  addPage(row: number, page: number, tokens: number): void {
    const index = this.#indexOfPage[row]!.get(page);
    if (index === undefined) {
      this.violations.push(`row ${row} reads page ${page}, which is not in the table of sequence ${this.#owner[row]}`);
      return;
    }
    const first = index * this.#pageSize;
    for (let position = first; position < first + tokens; position += 1) this.addPosition(row, position);
  }

  addPosition(row: number, position: number): void {
    const counts = this.#counts[row]!;
    if (position < counts.length) counts[position] = counts[position]! + 1;
    else this.violations.push(`row ${row} at position ${counts.length} reads position ${position}`);
  }

  /** Every position before a row once, and nothing else. */
  compare(): void {
    for (const [row, counts] of this.#counts.entries()) {
      const wrong = counts.findIndex((count) => count !== 1);
      if (wrong < 0) continue;
      this.violations.push(`row ${row} of sequence ${this.#owner[row]} reads position ${wrong} ${counts[wrong]} times`);
    }
  }
}

/** Checks what the rows of `plan` read. Precondition: its rows agree with its sequences. O(rows x positions). */
export function checkReads(plan: StepPlan, inspection: PlanInspection, violations: string[]): void {
  const reads = new PositionReads(plan, inspection, violations);
  for (const [name, level] of plan.levels.entries()) {
    if (level.groupCount === 0) continue;
    checkPadding(level, name, inspection.pageSize, violations);
    for (let row = 0; row < plan.rowCount; row += 1)
      addGroupOf(level, name, row, { reads, pageSize: inspection.pageSize });
  }
  addChunks(plan, reads);
  reads.compare();
  for (const window of plan.windows) checkWindow(plan, window, inspection, violations);
  checkStats(plan, inspection, violations);
}

interface ReadContext {
  readonly reads: PositionReads;
  readonly pageSize: number;
}

function addGroupOf(level: LevelPlan, name: number, row: number, context: ReadContext): void {
  const { reads, pageSize } = context;
  const at = level.rowAt[row]!;
  const group = Math.floor(at / level.rowsPerGroup);
  if (at < 0 || group >= level.groupCount) {
    reads.violations.push(`level ${name}: row ${row} points to ${at}, outside its ${level.groupCount} groups`);
    return;
  }
  const tokens = level.tokens[group]!;
  if (tokens === 0) return;
  if (level.rows[at] !== row) reads.violations.push(`level ${name}: row ${row} points to row ${level.rows[at]}`);
  for (let page = 0; page < pagesFor(tokens, pageSize); page += 1) {
    const pageTokens = Math.min(pageSize, tokens - page * pageSize);
    reads.addPage(row, level.pages[group * level.pagesPerGroup + page]!, pageTokens);
  }
}

/** Null pages behind the tokens of a group, and no null page before. */
function checkPadding(level: LevelPlan, name: number, pageSize: number, violations: string[]): void {
  const { groupCount, pagesPerGroup } = level;
  for (let group = 0; group < groupCount; group += 1) {
    const used = pagesFor(level.tokens[group]!, pageSize);
    if (used > pagesPerGroup) violations.push(`level ${name}: group ${group} reads ${used} of ${pagesPerGroup} pages`);
    for (let page = 0; page < pagesPerGroup; page += 1) {
      const isNull = level.pages[group * pagesPerGroup + page] === NULL_PAGE;
      if (isNull !== page >= used) violations.push(`level ${name}: group ${group}, page ${page}: wrong padding`);
    }
  }
}

function addChunks(plan: StepPlan, reads: PositionReads): void {
  const { chunks } = plan;
  for (let place = 0; place < plan.sequenceCount; place += 1) {
    const first = plan.firstRow[place]!;
    const rows = plan.scheduledTokens[place]!;
    for (let row = first; chunks.chunkCount > 0 && row < first + rows; row += 1) addChunkOf(plan, row, reads);
    if (chunks.chunkCount === 0 && rows > 1) reads.violations.push(`sequence ${plan.sequences[place]} is in no chunk`);
  }
}

/** Row i of a chunk reads rows j < i. */
function addChunkOf(plan: StepPlan, row: number, reads: PositionReads): void {
  const { rows, rowAt, rowsPerChunk, chunkCount } = plan.chunks;
  const at = rowAt[row]!;
  if (at < 0 || at >= chunkCount * rowsPerChunk) {
    reads.violations.push(`row ${row} points to ${at}, outside ${chunkCount} chunks`);
    return;
  }
  const first = Math.floor(at / rowsPerChunk) * rowsPerChunk;
  if (at > first && rows[at] !== row) reads.violations.push(`row ${row} points to row ${rows[at]} of a chunk`);
  for (let other = first; other < at; other += 1) reads.addPosition(row, plan.positions[rows[other]!]!);
}

function checkStats(plan: StepPlan, inspection: PlanInspection, violations: string[]): void {
  const unique = new Set<number>();
  let read = 0;
  let padding = 0;
  for (const level of plan.levels) {
    read += level.groupCount * level.pagesPerGroup;
    for (let at = 0; at < level.groupCount * level.pagesPerGroup; at += 1) {
      if (level.pages[at] === NULL_PAGE) padding += 1;
      else unique.add(level.pages[at]!);
    }
  }
  let flat = 0;
  for (let place = 0; place < plan.sequenceCount; place += 1) {
    const past = plan.positions[plan.firstRow[place]!]!;
    flat += plan.scheduledTokens[place]! * pagesFor(past, inspection.pageSize);
  }
  const { uniquePages, savedPageReads, paddingPageReads } = plan.attention;
  if (uniquePages !== unique.size) violations.push(`statistics: ${uniquePages} unique pages, not ${unique.size}`);
  if (paddingPageReads !== padding) violations.push(`statistics: ${paddingPageReads} padding reads, not ${padding}`);
  if (savedPageReads !== flat - read) violations.push(`statistics: ${savedPageReads} saved reads, not ${flat - read}`);
}

/** Page -> its index in the table of `sequence`. */
function indexesOf(inspection: PlanInspection, sequence: number): ReadonlyMap<number, number> {
  const indexes = new Map<number, number>();
  const planned = inspection.planned(sequence);
  if (planned === undefined) return indexes;
  for (let index = 0; index < planned.pageCount; index += 1) indexes.set(planned.pageTable[index]!, index);
  return indexes;
}
