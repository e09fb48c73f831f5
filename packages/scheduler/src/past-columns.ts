import { grownInt32, NO_INT32 } from './columns.ts';

/**
 * The sequences of a step that have a past (tokens whose K/V is in pages), as columns; filled by the scheduler for each step, read
 * by the attention planner. A member is an index below `count`.
 */
export class PastColumns {
  count = 0;
  /** Sum of `rows`. */
  rowCount = 0;
  /** [count] page tables, borrowed until the next `begin`. */
  readonly tables: Int32Array[] = [];
  /** [count] tokens of the past; at least 1. */
  tokens = NO_INT32;
  /** [count] rows of the batch: [firstRow, firstRow + rows). */
  firstRow = NO_INT32;
  rows = NO_INT32;
  /** [count] small integer that no other running sequence has. */
  seats = NO_INT32;
  /** [count] grows with every admission and is never used twice: names one lease. */
  admissions = NO_INT32;

  begin(): void {
    this.count = 0;
    this.rowCount = 0;
  }

  /** Effect: adds a member. Allocates only when there are more members than ever before. */
  add(member: PastMember, firstRow: number, rows: number): void {
    const place = this.count;
    if (place >= this.tokens.length) this.#grow(place + 1);
    this.tables[place] = member.pageTable;
    this.tokens[place] = member.computedTokens;
    this.firstRow[place] = firstRow;
    this.rows[place] = rows;
    this.seats[place] = member.seat;
    this.admissions[place] = member.admission;
    this.count = place + 1;
    this.rowCount += rows;
  }

  #grow(length: number): void {
    this.tokens = grownInt32(this.tokens, length);
    this.firstRow = grownInt32(this.firstRow, this.tokens.length);
    this.rows = grownInt32(this.rows, this.tokens.length);
    this.seats = grownInt32(this.seats, this.tokens.length);
    this.admissions = grownInt32(this.admissions, this.tokens.length);
  }
}

/** What the planner needs to know about a sequence. */
export interface PastMember {
  readonly pageTable: Int32Array;
  readonly computedTokens: number;
  readonly seat: number;
  readonly admission: number;
}
