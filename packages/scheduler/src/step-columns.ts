import { ChunkColumns } from './chunk-columns.ts';
import { grownInt32, grownUint8, NO_FLAGS, NO_INT32 } from './columns.ts';
import type { AttentionStats, LevelPlan, StepPlan, WindowPlan } from './step-plan.ts';

/** The plan of a step as reused columns: one object for all steps. Appended to row by row, sequence by sequence. */
export class StepColumns implements StepPlan {
  stepId = 0;
  rowCount = 0;
  tokens = NO_INT32;
  positions = NO_INT32;
  slots = NO_INT32;
  readonly writes: boolean;
  sequenceCount = 0;
  sequences = NO_INT32;
  firstRow = NO_INT32;
  scheduledTokens = NO_INT32;
  headCount = 0;
  headRow = NO_INT32;
  headSequence = NO_INT32;
  headSamples = NO_FLAGS;
  copyCount = 0;
  copyFrom = NO_INT32;
  copyTo = NO_INT32;
  copyTokens = NO_INT32;
  readonly levels: readonly LevelPlan[];
  readonly windows: readonly WindowPlan[];
  readonly chunks = new ChunkColumns();
  readonly attention: AttentionStats;

  constructor(
    attention: {
      readonly levels: readonly LevelPlan[];
      readonly windows: readonly WindowPlan[];
      readonly stats: AttentionStats;
    },
    rows: 'kept' | 'dropped',
  ) {
    this.levels = attention.levels;
    this.windows = attention.windows;
    this.attention = attention.stats;
    this.writes = rows === 'kept';
  }

  /** Effect: an empty plan with the next id. */
  begin(): void {
    this.stepId += 1;
    this.rowCount = 0;
    this.sequenceCount = 0;
    this.headCount = 0;
    this.copyCount = 0;
  }

  /** Effect: opens a sequence; the `rows` rows added next are its. Makes room for them and their heads. */
  openSequence(sequence: number, rows: number): void {
    const place = this.sequenceCount;
    this.#reserveSequences(place + 1);
    this.#reserveRows(this.rowCount + rows);
    this.sequences[place] = sequence;
    this.firstRow[place] = this.rowCount;
    this.scheduledTokens[place] = rows;
    this.sequenceCount = place + 1;
  }

  /** Effect: adds a row to the open sequence. */
  addRow(token: number, position: number, slot: number): void {
    const row = this.rowCount;
    this.tokens[row] = token;
    this.positions[row] = position;
    this.slots[row] = slot;
    this.rowCount = row + 1;
  }

  /** Effect: wants the logits of the last row; `samples` as in `headSamples`. */
  addHead(samples: 0 | 1): void {
    const head = this.headCount;
    this.headRow[head] = this.rowCount - 1;
    this.headSequence[head] = this.sequences[this.sequenceCount - 1]!;
    this.headSamples[head] = samples;
    this.headCount = head + 1;
  }

  /** Effect: adds a page copy to be performed before the run. */
  addCopy(from: number, to: number, tokens: number): void {
    const copy = this.copyCount;
    this.copyFrom = grownInt32(this.copyFrom, copy + 1);
    this.copyTo = grownInt32(this.copyTo, copy + 1);
    this.copyTokens = grownInt32(this.copyTokens, copy + 1);
    this.copyFrom[copy] = from;
    this.copyTo[copy] = to;
    this.copyTokens[copy] = tokens;
    this.copyCount = copy + 1;
  }

  #reserveSequences(count: number): void {
    this.sequences = grownInt32(this.sequences, count);
    this.firstRow = grownInt32(this.firstRow, count);
    this.scheduledTokens = grownInt32(this.scheduledTokens, count);
  }

  #reserveRows(count: number): void {
    this.tokens = grownInt32(this.tokens, count);
    this.positions = grownInt32(this.positions, count);
    this.slots = grownInt32(this.slots, count);
    this.headRow = grownInt32(this.headRow, count);
    this.headSequence = grownInt32(this.headSequence, count);
    this.headSamples = grownUint8(this.headSamples, count);
  }
}
