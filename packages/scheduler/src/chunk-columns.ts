import { grownInt32, NO_INT32 } from './columns.ts';
import type { ChunkPlan } from './step-plan.ts';

/** The chunks of a plan (sequences with two rows or more) as reused columns. */
export class ChunkColumns implements ChunkPlan {
  chunkCount = 0;
  rowsPerChunk = 0;
  rows = NO_INT32;
  rowAt = NO_INT32;

  /** Effect: one chunk for each sequence of at least two rows. O(rows + padding). */
  fill(sequenceCount: number, firstRow: Int32Array, scheduledTokens: Int32Array, rowCount: number): void {
    this.#measure(sequenceCount, scheduledTokens);
    if (this.chunkCount === 0) return;
    this.rows = grownInt32(this.rows, this.chunkCount * this.rowsPerChunk);
    this.rowAt = grownInt32(this.rowAt, rowCount);
    this.rows.fill(0, 0, this.chunkCount * this.rowsPerChunk);
    this.rowAt.fill(0, 0, rowCount);
    let target = 0;
    for (let place = 0; place < sequenceCount; place += 1) {
      const rows = scheduledTokens[place]!;
      if (rows < 2) continue;
      const first = firstRow[place]!;
      for (let row = 0; row < rows; row += 1) {
        this.rows[target + row] = first + row;
        this.rowAt[first + row] = target + row;
      }
      target += this.rowsPerChunk;
    }
  }

  #measure(sequenceCount: number, scheduledTokens: Int32Array): void {
    this.chunkCount = 0;
    this.rowsPerChunk = 0;
    for (let place = 0; place < sequenceCount; place += 1) {
      const rows = scheduledTokens[place]!;
      if (rows < 2) continue;
      this.chunkCount += 1;
      if (rows > this.rowsPerChunk) this.rowsPerChunk = rows;
    }
  }
}
