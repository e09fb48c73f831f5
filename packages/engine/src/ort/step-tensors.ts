/**
 * A step plan as the runtime's inputs. The plan's own columns are passed as views, pools in place: nothing of the length of the
 * past is copied, and what is allocated for a step is a fixed number of small tensor objects.
 */
import { type ModelShape, stepInputs } from '@octavo/graph';
import type { ChunkPlan, LevelPlan, StepPlan, WindowLevelPlan } from '@octavo/scheduler';
import { Tensor } from 'onnxruntime-node';
import type { CandidateRequest } from '../model-runner.ts';
import type { PageElements } from '../storage/page-elements.ts';
import type { PageStore, PoolColumns } from '../storage/page-store.ts';
import { FixedGrid, type GridLevelColumns } from './fixed-grid.ts';
import { useBitsForHalves } from './half-tensors.ts';

useBitsForHalves();

const tensorType = { f32: 'float32', f16: 'float16', int8: 'int8' } as const;

const on = () => new Tensor('bool', Uint8Array.of(1), [1]);
const off = () => new Tensor('bool', Uint8Array.of(0), [1]);
const int32 = (column: Int32Array, dims: readonly number[]) => new Tensor('int32', column, dims);

/** What decides which inputs a graph has. */
export type GraphInputs = Pick<ModelShape, 'windows' | 'hasFullLayers' | 'heads' | 'kvHeads'> & {
  readonly levels: number;
  readonly deterministic: boolean;
};

/** The inputs of a session, made again for each step in one reused record. */
export class StepTensors {
  /** Input name -> tensor; valid until the next `fill`. */
  readonly feeds: Record<string, Tensor> = {};
  readonly #graph: GraphInputs;
  readonly #on = on();
  readonly #off = off();
  /** [1], [1, 1]: what a switched-off level or chunk, or a step without heads, is given; extents of zero break reductions. */
  readonly #one = int32(new Int32Array(1), [1]);
  readonly #oneFloat = new Tensor('float32', new Float32Array(1), [1]);
  readonly #oneByOne = int32(new Int32Array(1), [1, 1]);
  /** [>= rows of the largest step so far] zeros: every row of a switched-off level points to place 0. */
  #zeros = new Int32Array(256);
  #store: PageStore | undefined;
  /** Only for a deterministic graph. */
  #grid: FixedGrid | undefined;

  constructor(graph: GraphInputs) {
    this.#graph = graph;
  }

  /** Passes the pools of a store in place; made anew only when the store is another one. */
  bind(store: PageStore): void {
    if (this.#store === store) return;
    this.#store = store;
    const { deterministic, heads, kvHeads } = this.#graph;
    // Query heads of a KV head are rows of a product; where there is one, a padding row keeps it company.
    const leastRows = heads === kvHeads ? 2 : 1;
    this.#grid = deterministic ? new FixedGrid({ pageSize: store.layout.pageSize, leastRows }) : undefined;
    for (let layer = 0; layer < store.layout.layers; layer += 1) {
      this.#bindPool(store.keys, layer, { pages: stepInputs.keyPages(layer), scales: stepInputs.keyScales(layer) });
      this.#bindPool(store.values, layer, {
        pages: stepInputs.valuePages(layer),
        scales: stepInputs.valueScales(layer),
      });
    }
  }

  #bindPool(pools: PoolColumns, layer: number, names: { readonly pages: string; readonly scales: string }): void {
    const { dims, kvType } = (this.#store as PageStore).layout;
    this.feeds[names.pages] = new Tensor(tensorType[kvType], pools.elements[layer] as PageElements, dims);
    const scales = pools.scales[layer];
    if (scales !== undefined) this.feeds[names.scales] = new Tensor('float32', scales, dims.slice(0, 3));
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
    feeds[stepInputs.headsOn] = plan.headCount === 0 ? this.#off : this.#on;
    feeds[stepInputs.fullRows] = int32(fullHeads.subarray(0, fullCount), [fullCount]);
    if (this.#grid !== undefined) {
      this.#fillGrid(this.#grid, plan);
      return;
    }
    const { levels, windows } = this.#graph;
    for (let level = 0; level < levels; level += 1) {
      this.#fillRows(level, plan.levels[level], rows);
      this.#fillLevel(level, plan.levels[level]);
      for (let at = 0; at < windows.length; at += 1) this.#fillWindow(at, level, plan.windows[at]?.levels[level]);
    }
    this.#fillChunks(plan.chunks, rows);
  }

  /** Says which heads are sampled from candidates; true when there are some. */
  fillCandidates(request: CandidateRequest | undefined): boolean {
    const { feeds } = this;
    const count = request?.count ?? 0;
    feeds[stepInputs.sampleOn] = count > 0 ? this.#on : this.#off;
    if (request === undefined || count === 0) {
      feeds[stepInputs.sampleRows] = this.#one;
      feeds[stepInputs.sampleScales] = this.#oneFloat;
      feeds[stepInputs.sampleMasses] = this.#oneFloat;
      feeds[stepInputs.sampleFloors] = this.#oneFloat;
      return false;
    }
    const floats = (column: Float32Array) => new Tensor('float32', column.subarray(0, count), [count]);
    feeds[stepInputs.sampleRows] = int32(request.heads.subarray(0, count), [count]);
    feeds[stepInputs.sampleScales] = floats(request.scales);
    feeds[stepInputs.sampleMasses] = floats(request.masses);
    feeds[stepInputs.sampleFloors] = floats(request.floors);
    return true;
  }

  #fillGrid(grid: FixedGrid, plan: StepPlan): void {
    grid.build(plan);
    const { feeds } = this;
    const parts = plan.rowCount * grid.blocksPerRow;
    feeds[stepInputs.partAt] = int32(grid.partAt.subarray(0, parts), [grid.blocksPerRow, plan.rowCount]);
    for (const [index, level] of grid.levels.entries()) this.#fillGridLevel(index, level);
  }

  #fillGridLevel(index: number, level: GridLevelColumns): void {
    const { feeds } = this;
    const { kind, groupCount, rowsPerGroup, writtenCount } = level;
    const isOn = groupCount > 0;
    feeds[stepInputs.levelOn(index)] = isOn ? this.#on : this.#off;
    feeds[stepInputs.levelRows(index)] = isOn
      ? int32(level.rows.subarray(0, groupCount * rowsPerGroup), [groupCount, rowsPerGroup])
      : this.#oneByOne;
    feeds[stepInputs.levelPages(index)] = this.#pagesOf(level);
    if (kind === 'written' || this.#graph.windows.length > 0) {
      feeds[stepInputs.levelFirst(index)] = isOn ? int32(level.first.subarray(0, groupCount), [groupCount]) : this.#one;
    }
    if (kind !== 'written') return;
    feeds[stepInputs.levelWritten(index)] = isOn
      ? int32(level.written.subarray(0, writtenCount), [writtenCount])
      : this.#one;
    feeds[stepInputs.levelWrittenAt(index)] = isOn
      ? int32(level.writtenAt.subarray(0, writtenCount), [writtenCount])
      : this.#one;
  }

  /** Rows of the groups: the same for every window. */
  #fillRows(index: number, level: LevelPlan | undefined, rows: number): void {
    const { feeds } = this;
    const groups = level?.groupCount ?? 0;
    if (level === undefined || groups === 0) {
      feeds[stepInputs.levelRows(index)] = this.#oneByOne;
      feeds[stepInputs.levelRowAt(index)] = int32(this.#zeros.subarray(0, rows), [rows]);
      return;
    }
    const { rowsPerGroup } = level;
    feeds[stepInputs.levelRows(index)] = int32(level.rows.subarray(0, groups * rowsPerGroup), [groups, rowsPerGroup]);
    feeds[stepInputs.levelRowAt(index)] = int32(level.rowAt.subarray(0, rows), [rows]);
  }

  /** What layers read that see the whole past; there may be none. */
  #fillLevel(index: number, level: LevelPlan | undefined): void {
    if (this.#graph.hasFullLayers) this.#fillPages(index, level);
  }

  #fillPages(index: number, level: LevelPlan | undefined): void {
    const { feeds } = this;
    const groups = level?.groupCount ?? 0;
    feeds[stepInputs.levelOn(index)] = groups > 0 ? this.#on : this.#off;
    feeds[stepInputs.levelPages(index)] = this.#pagesOf(level);
    feeds[stepInputs.levelTokens(index)] =
      level && groups > 0 ? int32(level.tokens.subarray(0, groups), [groups]) : this.#one;
  }

  #fillWindow(window: number, index: number, level: WindowLevelPlan | undefined): void {
    const { feeds } = this;
    const groups = level?.groupCount ?? 0;
    const column = (of: Int32Array) => (groups > 0 ? int32(of.subarray(0, groups), [groups]) : this.#one);
    feeds[stepInputs.windowOn(window, index)] = groups > 0 ? this.#on : this.#off;
    feeds[stepInputs.windowPages(window, index)] = this.#pagesOf(level);
    feeds[stepInputs.windowTokens(window, index)] = level ? column(level.tokens) : this.#one;
    feeds[stepInputs.windowFirst(window, index)] = level ? column(level.firstPositions) : this.#one;
  }

  #pagesOf(level: Pick<LevelPlan, 'groupCount' | 'pagesPerGroup' | 'pages'> | undefined): Tensor {
    if (level === undefined || level.groupCount === 0) return this.#oneByOne;
    const { groupCount, pagesPerGroup, pages } = level;
    return int32(pages.subarray(0, groupCount * pagesPerGroup), [groupCount, pagesPerGroup]);
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
