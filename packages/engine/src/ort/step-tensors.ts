/**
 * A step plan as the runtime's inputs. The plan's own columns are passed as views, pools in place: nothing of the length of the
 * past is copied, and what is allocated for a step is a fixed number of small tensor objects.
 */
import { stepInputs } from '@octavo/graph';
import type { ChunkPlan, LevelPlan, StepPlan } from '@octavo/scheduler';
import { Tensor } from 'onnxruntime-node';
import type { PageStore } from '../storage/page-store.ts';

const on = () => new Tensor('bool', Uint8Array.of(1), [1]);
const off = () => new Tensor('bool', Uint8Array.of(0), [1]);
const int32 = (column: Int32Array, dims: readonly number[]) => new Tensor('int32', column, dims);

/** The inputs of a session, made again for each step in one reused record. */
export class StepTensors {
  /** Input name -> tensor; valid until the next `fill`. */
  readonly feeds: Record<string, Tensor> = {};
  readonly #levels: number;
  readonly #on = on();
  readonly #off = off();
  /** [1], [1, 1]: what a switched-off level or chunk, or a step without heads, is given; extents of zero break reductions. */
  readonly #one = int32(new Int32Array(1), [1]);
  readonly #oneByOne = int32(new Int32Array(1), [1, 1]);
  /** [>= rows of the largest step so far] zeros: every row of a switched-off level points to place 0. */
  #zeros = new Int32Array(256);
  #store: PageStore | undefined;

  constructor(levels: number) {
    this.#levels = levels;
  }

  /** Passes the pools of a store in place; made anew only when the store is another one. */
  bind(store: PageStore): void {
    if (this.#store === store) return;
    this.#store = store;
    for (let layer = 0; layer < store.layout.layers; layer += 1) {
      const keys = store.keys[layer] as Float32Array;
      const values = store.values[layer] as Float32Array;
      this.feeds[stepInputs.keyPages(layer)] = new Tensor('float32', keys, store.layout.dims);
      this.feeds[stepInputs.valuePages(layer)] = new Tensor('float32', values, store.layout.dims);
    }
  }

  /** Makes the inputs of one step. Reads the plan's columns in place: they must not change before the run is over. */
  fill(plan: StepPlan, fullHeads: Int32Array, fullCount: number): void {
    const { feeds } = this;
    const rows = plan.rowCount;
    if (this.#zeros.length < rows) this.#zeros = new Int32Array(2 * rows);
    feeds[stepInputs.tokens] = int32(plan.tokens.subarray(0, rows), [rows]);
    feeds[stepInputs.positions] = int32(plan.positions.subarray(0, rows), [rows]);
    feeds[stepInputs.headRows] =
      plan.headCount === 0 ? this.#one : int32(plan.headRow.subarray(0, plan.headCount), [plan.headCount]);
    feeds[stepInputs.fullRows] = int32(fullHeads.subarray(0, fullCount), [fullCount]);
    for (let level = 0; level < this.#levels; level += 1) this.#fillLevel(level, plan.levels[level], rows);
    this.#fillChunks(plan.chunks, rows);
  }

  #fillLevel(index: number, level: LevelPlan | undefined, rows: number): void {
    const { feeds } = this;
    const groups = level?.groupCount ?? 0;
    if (level === undefined || groups === 0) {
      feeds[stepInputs.levelOn(index)] = this.#off;
      feeds[stepInputs.levelRows(index)] = this.#oneByOne;
      feeds[stepInputs.levelPages(index)] = this.#oneByOne;
      feeds[stepInputs.levelTokens(index)] = this.#one;
      feeds[stepInputs.levelRowAt(index)] = int32(this.#zeros.subarray(0, rows), [rows]);
      return;
    }
    const { rowsPerGroup, pagesPerGroup } = level;
    feeds[stepInputs.levelOn(index)] = this.#on;
    feeds[stepInputs.levelRows(index)] = int32(level.rows.subarray(0, groups * rowsPerGroup), [groups, rowsPerGroup]);
    feeds[stepInputs.levelPages(index)] = int32(level.pages.subarray(0, groups * pagesPerGroup), [
      groups,
      pagesPerGroup,
    ]);
    feeds[stepInputs.levelTokens(index)] = int32(level.tokens.subarray(0, groups), [groups]);
    feeds[stepInputs.levelRowAt(index)] = int32(level.rowAt.subarray(0, rows), [rows]);
  }

  #fillChunks(chunks: ChunkPlan, rows: number): void {
    const { feeds } = this;
    const { chunkCount, rowsPerChunk } = chunks;
    if (chunkCount === 0) {
      feeds[stepInputs.chunkOn] = this.#off;
      feeds[stepInputs.chunkRows] = this.#oneByOne;
      feeds[stepInputs.chunkRowAt] = int32(this.#zeros.subarray(0, rows), [rows]);
      return;
    }
    feeds[stepInputs.chunkOn] = this.#on;
    feeds[stepInputs.chunkRows] = int32(chunks.rows.subarray(0, chunkCount * rowsPerChunk), [chunkCount, rowsPerChunk]);
    feeds[stepInputs.chunkRowAt] = int32(chunks.rowAt.subarray(0, rows), [rows]);
  }
}
