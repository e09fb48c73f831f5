/** Runs compiled graphs in onnxruntime, which is a dependency of the engine package only. Used by tests. */
import { createRequire } from 'node:module';
import type { CompiledModel, ModelShape } from './compiled-model.ts';
import { stepInputs, stepOutputs } from './step-interface.ts';

export interface OrtTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array | Int32Array | Uint16Array | Uint8Array | Int8Array | BigInt64Array;
}

interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

interface Ort {
  readonly InferenceSession: { create(file: string | Uint8Array, options: object): Promise<OrtSession> };
  readonly Tensor: new (
    type: string,
    data: Float32Array | Int32Array | Uint16Array | Uint8Array | Int8Array | BigInt64Array,
    dims: readonly number[],
  ) => OrtTensor;
}

const require = createRequire(new URL('../../engine/package.json', import.meta.url));
export const ort = require('onnxruntime-node') as Ort;

/** Rows that all read the first `tokens` tokens of `pages`. */
export interface GroupSpec {
  readonly rows: readonly number[];
  readonly pages: readonly number[];
  readonly tokens: number;
  /** Position of the first of them; default 0. */
  readonly first?: number;
}

/** One run of the graph, in terms of rows. */
export interface StepSpec {
  readonly tokens: readonly number[];
  readonly positions: readonly number[];
  /** None: heads are switched off. */
  readonly headRows: readonly number[];
  readonly fullRows: readonly number[];
  /** Groups of each level; a level that is absent or empty is switched off. */
  readonly levels: readonly (readonly GroupSpec[])[];
  /** Rows of each chunk, in order. */
  readonly chunks: readonly (readonly number[])[];
}

export interface StepRun {
  /** [layers, M, kvHeads, headDim] */
  readonly newKeys: Float32Array;
  readonly newValues: Float32Array;
  readonly argmax: Int32Array;
  /** One array of the vocabulary for each full row. */
  readonly logits: readonly Float32Array[];
}

/** K/V of one layer. */
export interface LayerPools {
  /** [kvHeads, pages, pageSize, headDim] */
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

export interface PoolShape {
  readonly pages: number;
  readonly pageSize: number;
}

export function makePools(shape: ModelShape, pool: PoolShape): LayerPools[] {
  const elements = shape.kvHeads * pool.pages * pool.pageSize * shape.headDim;
  return Array.from({ length: shape.layers }, () => ({
    keys: new Float32Array(elements),
    values: new Float32Array(elements),
  }));
}

/** A session on a compiled graph. */
export class GraphSession {
  readonly model: CompiledModel;
  readonly #session: OrtSession;

  private constructor(model: CompiledModel, session: OrtSession) {
    this.model = model;
    this.#session = session;
  }

  static async open(model: CompiledModel, options: object = {}): Promise<GraphSession> {
    const session = await ort.InferenceSession.create(model.graphFile, {
      enableMemPattern: false,
      logSeverityLevel: 4,
      ...options,
    });
    return new GraphSession(model, session);
  }

  get inputNames(): readonly string[] {
    return this.#session.inputNames;
  }

  get outputNames(): readonly string[] {
    return this.#session.outputNames;
  }

  async run(step: StepSpec, pools: readonly LayerPools[], pool: PoolShape): Promise<StepRun> {
    return this.runFeeds(feedsOf(this.model, step, { pools, pool }));
  }

  async runFeeds(feeds: Record<string, OrtTensor>): Promise<StepRun> {
    const outputs = await this.#session.run(feeds);
    const logits = outputs[stepOutputs.logits] as OrtTensor;
    const vocabulary = logits.dims[1] as number;
    return {
      newKeys: outputs[stepOutputs.newKeys]?.data as Float32Array,
      newValues: outputs[stepOutputs.newValues]?.data as Float32Array,
      argmax: outputs[stepOutputs.argmax]?.data as Int32Array,
      logits: Array.from({ length: logits.dims[0] as number }, (_, row) =>
        (logits.data as Float32Array).subarray(row * vocabulary, (row + 1) * vocabulary),
      ),
    };
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}

/** What a step is run over. */
export interface StepStore {
  readonly pools: readonly LayerPools[];
  readonly pool: PoolShape;
}

/** The graph's inputs for a step. */
function feedsOf(model: CompiledModel, step: StepSpec, store: StepStore): Record<string, OrtTensor> {
  const headRows = step.headRows.length === 0 ? [0] : step.headRows;
  return {
    [stepInputs.tokens]: ints(step.tokens, [step.tokens.length]),
    [stepInputs.positions]: ints(step.positions, [step.positions.length]),
    [stepInputs.headRows]: ints(headRows, [headRows.length]),
    [stepInputs.fullRows]: ints(step.fullRows, [step.fullRows.length]),
    [stepInputs.sampleOn]: flag(false),
    [stepInputs.sampleRows]: ints([0], [1]),
    ...Object.fromEntries(
      [stepInputs.sampleScales, stepInputs.sampleMasses, stepInputs.sampleFloors].map((name) => [
        name,
        new ort.Tensor('float32', new Float32Array(1), [1]),
      ]),
    ),
    ...attentionFeeds({ levels: model.levels, ...model.shape }, step, store),
    [stepInputs.headsOn]: flag(step.headRows.length > 0),
  };
}

/** The inputs that attention reads, whose results are wanted. */
export function attentionFeeds(
  graph: Pick<ModelShape, 'kvHeads' | 'headDim' | 'windows' | 'hasFullLayers'> & { readonly levels: number },
  step: StepSpec,
  store: StepStore,
): Record<string, OrtTensor> {
  const feeds: Record<string, OrtTensor> = { [stepInputs.headsOn]: flag(true) };
  const rowCount = step.tokens.length;
  for (let level = 0; level < graph.levels; level += 1)
    addLevel(feeds, { level, rowCount, ...graph }, step.levels[level] ?? []);
  addChunks(feeds, step.chunks, rowCount);
  const dims = [graph.kvHeads, store.pool.pages, store.pool.pageSize, graph.headDim];
  store.pools.forEach(({ keys, values }, layer) => {
    feeds[stepInputs.keyPages(layer)] = new ort.Tensor('float32', keys, dims);
    feeds[stepInputs.valuePages(layer)] = new ort.Tensor('float32', values, dims);
  });
  return feeds;
}

function addLevel(
  feeds: Record<string, OrtTensor>,
  place: { level: number; rowCount: number } & Pick<ModelShape, 'windows' | 'hasFullLayers'>,
  given: readonly GroupSpec[],
): void {
  const { level, rowCount, windows, hasFullLayers } = place;
  const placed = new Set(given.flatMap(({ rows }) => rows));
  // A row without a group points into one that reads nothing.
  const needsEmpty = given.length === 0 || placed.size < rowCount;
  const groups: readonly GroupSpec[] = needsEmpty ? [...given, { rows: [0], pages: [0], tokens: 0 }] : given;
  const rowsAGroup = Math.max(...groups.map(({ rows }) => rows.length));
  const pagesAGroup = Math.max(...groups.map(({ pages }) => pages.length));
  const rowAt = new Array<number>(rowCount).fill((groups.length - 1) * rowsAGroup);
  given.forEach(({ rows }, group) => {
    rows.forEach((row, place) => {
      rowAt[row] = group * rowsAGroup + place;
    });
  });
  feeds[stepInputs.levelRows(level)] = padded(
    groups.map(({ rows }) => rows),
    rowsAGroup,
  );
  feeds[stepInputs.levelRowAt(level)] = ints(rowAt, [rowCount]);
  const on = flag(given.length > 0);
  const tables = padded(
    groups.map(({ pages }) => pages),
    pagesAGroup,
  );
  const tokens = ints(
    groups.map((group) => group.tokens),
    [groups.length],
  );
  if (hasFullLayers) {
    feeds[stepInputs.levelOn(level)] = on;
    feeds[stepInputs.levelPages(level)] = tables;
    feeds[stepInputs.levelTokens(level)] = tokens;
  }
  // Nothing is trimmed: what a window hides is left to the graph's masks.
  for (const window of windows.keys()) {
    feeds[stepInputs.windowOn(window, level)] = on;
    feeds[stepInputs.windowPages(window, level)] = tables;
    feeds[stepInputs.windowTokens(window, level)] = tokens;
    feeds[stepInputs.windowFirst(window, level)] = ints(
      groups.map(({ first = 0 }) => first),
      [groups.length],
    );
  }
}

function addChunks(feeds: Record<string, OrtTensor>, given: readonly (readonly number[])[], rowCount: number): void {
  const chunks = given.length === 0 ? [[0]] : given;
  const rowsAChunk = Math.max(...chunks.map(({ length }) => length));
  const rowAt = new Array<number>(rowCount).fill(0);
  given.forEach((rows, chunk) => {
    rows.forEach((row, place) => {
      rowAt[row] = chunk * rowsAChunk + place;
    });
  });
  feeds[stepInputs.chunkOn] = flag(given.length > 0);
  feeds[stepInputs.chunkRows] = padded(chunks, rowsAChunk);
  feeds[stepInputs.chunkRowAt] = ints(rowAt, [rowCount]);
}

function padded(lists: readonly (readonly number[])[], width: number): OrtTensor {
  const flat = lists.flatMap((list) => [...list, ...new Array<number>(width - list.length).fill(0)]);
  return ints(flat, [lists.length, width]);
}

function ints(values: readonly number[], dims: readonly number[]): OrtTensor {
  return new ort.Tensor('int32', Int32Array.from(values), dims);
}

function flag(on: boolean): OrtTensor {
  return new ort.Tensor('bool', Uint8Array.of(on ? 1 : 0), [1]);
}
