import type { Sequence } from './sequence.ts';
import type { StepColumns } from './step-columns.ts';

/**
 * Effect: adds the scheduled tokens of `sequence` to the plan: a row each, at the slot that its page table gives it, and its heads.
 * The row that catches up samples the next token. In scoring mode every prompt row is a head besides, once: rows that are run again
 * after a preemption handed out their logits before.
 */
export function addSequenceRows(columns: StepColumns, sequence: Sequence, pageSize: number): void {
  const { tokens, pageTable, computedTokens, scheduledTokens } = sequence;
  columns.openSequence(sequence.id, scheduledTokens);
  addCopies(columns, sequence);
  const end = computedTokens + scheduledTokens;
  let page = Math.floor(computedTokens / pageSize);
  let offset = computedTokens - page * pageSize;
  for (let position = computedTokens; position < end; position += 1) {
    columns.addRow(tokens[position]!, position, pageTable[page]! * pageSize + offset);
    if (isHead(sequence, position)) columns.addHead(position === sequence.tokenCount - 1 ? 1 : 0);
    offset += 1;
    if (offset < pageSize) continue;
    page += 1;
    offset = 0;
  }
}

/** As `addSequenceRows`, for a sequence that keeps no K/V: all its tokens, no slots. */
export function addWholeSequence(columns: StepColumns, sequence: Sequence): void {
  columns.openSequence(sequence.id, sequence.tokenCount);
  for (let position = 0; position < sequence.tokenCount; position += 1) {
    columns.addRow(sequence.tokens[position]!, position, 0);
    if (isHead(sequence, position)) columns.addHead(position === sequence.tokenCount - 1 ? 1 : 0);
  }
}

function isHead(sequence: Sequence, position: number): boolean {
  if (position === sequence.tokenCount - 1) return true;
  return sequence.logits === 'all' && position < sequence.promptTokens && position >= sequence.reachedTokens;
}

function addCopies(columns: StepColumns, sequence: Sequence): void {
  const { copies } = sequence.held();
  for (let copy = 0; copy < copies.length; copy += 1) {
    const { from, to, tokens } = copies[copy]!;
    columns.addCopy(from, to, tokens);
  }
}
