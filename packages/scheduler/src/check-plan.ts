import { fullPagesIn } from '@octavo/kv';
import { checkReads } from './check-reads.ts';
import type { PlanInspection, PlannedSequence } from './plan-inspection.ts';
import type { StepPlan } from './step-plan.ts';

/**
 * Proves a plan that is in flight: expands levels, chunks and own rows back into positions, and says where
 *
 * - a row does not read exactly the positions before its own, each once, through pages of its sequence's own table;
 * - slots collide, lie in a shared page, or are not what the page table says (laws 6 and 8);
 * - tokens, heads, padding or statistics disagree with the sequences.
 *
 * Effect: none. Returns violations; empty: none. O(rows x positions): for tests and the debug mode.
 */
export function checkPlan(plan: StepPlan, inspection: PlanInspection): string[] {
  const violations: string[] = [];
  checkSequences(plan, inspection, violations);
  if (plan.writes) checkSlots(plan, inspection, violations);
  checkHeads(plan, inspection, violations);
  checkCopies(plan, inspection, violations);
  // What rows read can be told only when they are the rows they should be.
  if (violations.length === 0) checkReads(plan, inspection, violations);
  return violations;
}

/** Rows are the scheduled tokens of the sequences, in order. */
function checkSequences(plan: StepPlan, inspection: PlanInspection, violations: string[]): void {
  let row = 0;
  for (let place = 0; place < plan.sequenceCount; place += 1) {
    const id = plan.sequences[place]!;
    const sequence = inspection.planned(id);
    const scheduled = plan.scheduledTokens[place]!;
    if (plan.firstRow[place] !== row)
      violations.push(`sequence ${id} begins at row ${plan.firstRow[place]}, not ${row}`);
    if (sequence === undefined) violations.push(`sequence ${id} of the plan is not running`);
    else if (scheduled < 1 || sequence.computedTokens + scheduled > sequence.tokenCount) {
      violations.push(`sequence ${id}: ${scheduled} tokens after ${sequence.computedTokens} of ${sequence.tokenCount}`);
    } else checkTokens(plan, sequence, { id, row, scheduled }, violations);
    row += scheduled;
  }
  if (row !== plan.rowCount || row < 1) violations.push(`${plan.rowCount} rows, and ${row} scheduled tokens`);
}

interface RowRun {
  readonly id: number;
  readonly row: number;
  readonly scheduled: number;
}

function checkTokens(plan: StepPlan, sequence: PlannedSequence, run: RowRun, violations: string[]): void {
  for (let at = 0; at < run.scheduled; at += 1) {
    const position = sequence.computedTokens + at;
    const token = plan.tokens[run.row + at];
    if (plan.positions[run.row + at] === position && token === sequence.tokens[position]) continue;
    const found = `token ${token} at position ${plan.positions[run.row + at]}`;
    violations.push(`row ${run.row + at} is ${found}, not position ${position} of sequence ${run.id}`);
  }
}

function checkSlots(plan: StepPlan, inspection: PlanInspection, violations: string[]): void {
  const { pageSize } = inspection;
  const slots = new Set<number>();
  for (let place = 0; place < plan.sequenceCount; place += 1) {
    const sequence = inspection.planned(plan.sequences[place]!);
    if (sequence === undefined) continue;
    for (let at = 0; at < plan.scheduledTokens[place]!; at += 1) {
      const row = plan.firstRow[place]! + at;
      const slot = plan.slots[row]!;
      const position = sequence.computedTokens + at;
      const index = fullPagesIn(position, pageSize);
      const expected = sequence.pageTable[index]! * pageSize + (position - index * pageSize);
      if (index >= sequence.pageCount || slot !== expected)
        violations.push(`row ${row} writes slot ${slot}, not ${expected}`);
      if (index < sequence.sharedPages) violations.push(`law 6: row ${row} writes slot ${slot} of a shared page`);
      if (slots.has(slot)) violations.push(`law 8: slot ${slot} is written twice`);
      slots.add(slot);
    }
  }
}

/** Heads in order of their rows; the last row of a sequence samples exactly when it catches up. */
function checkHeads(plan: StepPlan, inspection: PlanInspection, violations: string[]): void {
  let head = 0;
  for (let place = 0; place < plan.sequenceCount; place += 1) {
    const id = plan.sequences[place]!;
    const lastRow = plan.firstRow[place]! + plan.scheduledTokens[place]! - 1;
    let sampledRow = -1;
    let before = plan.firstRow[place]! - 1;
    for (; head < plan.headCount && plan.headSequence[head] === id; head += 1) {
      const row = plan.headRow[head]!;
      if (row <= before || row > lastRow)
        violations.push(`head ${head} is row ${row}, out of order for sequence ${id}`);
      if (plan.headSamples[head] === 1) sampledRow = row;
      before = row;
    }
    const sequence = inspection.planned(id);
    if (sequence === undefined) continue;
    const catchesUp = sequence.computedTokens + plan.scheduledTokens[place]! === sequence.tokenCount;
    if (sampledRow !== (catchesUp ? lastRow : -1)) violations.push(`sequence ${id} samples at row ${sampledRow}`);
  }
  if (head !== plan.headCount) violations.push(`${plan.headCount} heads, of which ${head} are in order`);
}

/** Copies go into private pages of the step's sequences, which no row of the step writes below the copied ones. */
function checkCopies(plan: StepPlan, inspection: PlanInspection, violations: string[]): void {
  const targets = new Set<number>();
  for (let place = 0; place < plan.sequenceCount; place += 1) {
    const sequence = inspection.planned(plan.sequences[place]!);
    if (sequence === undefined) continue;
    for (let index = sequence.sharedPages; index < sequence.pageCount; index += 1)
      targets.add(sequence.pageTable[index]!);
  }
  for (let copy = 0; copy < plan.copyCount; copy += 1) {
    const to = plan.copyTo[copy]!;
    const tokens = plan.copyTokens[copy]!;
    if (!targets.delete(to))
      violations.push(`copy ${copy} goes into page ${to}, which no sequence of the step owns alone`);
    if (plan.copyFrom[copy] === to || tokens < 1 || tokens > inspection.pageSize) {
      violations.push(`copy ${copy}: ${tokens} rows from page ${plan.copyFrom[copy]} to ${to}`);
    }
  }
}
