/**
 * What attention needs of the step's page tables, worked out once at the top of the graph instead of once a layer: which path the step
 * takes, masks, and the neutral result of a part that is switched off.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Branch, Dim, Value } from '../ir/graph.ts';
import {
  add,
  and,
  cast,
  choose,
  concat,
  dimension,
  equal,
  expand,
  gather,
  identity,
  less,
  multiply,
  not,
  or,
  range,
  reshape,
  subtract,
  where,
} from '../ir/operators.ts';
import type { LayerPools } from './page-format.ts';
import { type SingleSequenceTables, singleSequenceTables } from './single-sequence.ts';
import {
  type AttentionInputs,
  type AttentionRequest,
  type AttentionShape,
  type ChunkInputs,
  declareInputs,
  type LevelInputs,
  type ViewInputs,
} from './step-inputs.ts';

/**
 * Added to scores that a row must not see. Finite: a group that reads nothing then gets a weight of 0 in the merge, where
 * -Infinity minus -Infinity would make NaN. Large: no sum of scores of a sane model comes near it.
 */
export const MASKED_SCORE = -1e30;

export interface LevelTables extends LevelInputs {
  /** float32 [G, 1, P x pageSize]: 0 for tokens that the group reads. Through a window [G, R x queries per KV head, P x pageSize]. */
  readonly mask: Value;
  /** bool [1]: all groups read all slots of their pages. Absent through a window. */
  readonly isFull?: Value;
}

export interface ChunkTables extends ChunkInputs {
  /** float32 [T x queries per KV head, T]: 0 where the row comes before. */
  readonly mask: Value;
}

/** For a step of one row that reads one list of pages. */
export interface SingleRowTables {
  /** float32 [P x pageSize + 1]: 0 for tokens that the row reads and for itself, which comes last. */
  readonly mask: Value;
  /** int64 [2]: P x pageSize, 1 */
  readonly widths: Value;
}

/** What a part gives for rows that read nothing in it. */
export interface NothingRead {
  /** float32 zero [1] */
  readonly output: Value;
  /** float32 [kvHeads, M, queries per KV head, 1]: the logarithm of a sum that gives no weight. */
  readonly logSum: Value;
}

/** For all other steps. */
export interface PartTables {
  readonly levels: readonly LevelTables[];
  readonly chunk: ChunkTables;
  readonly nothing: NothingRead;
}

/** What one view comes to. */
export interface ViewTables {
  /** Absent: the whole past. */
  readonly window?: number;
  /** int32 [G, P] of the first level. */
  readonly firstPages: Value;
  /** bool [1]: one row, no level but the first, no chunk; `singleRow` holds then, else `parts`. */
  readonly isSingleRow: Value;
  readonly singleRow: SingleRowTables;
  readonly parts: PartTables;
  /** Absent where a window cuts what rows read. */
  readonly sequence?: SingleSequenceTables;
}

export interface StepTables {
  readonly views: readonly ViewTables[];
  readonly inputs: AttentionInputs;
}

/** What one layer's attention needs. */
export interface LayerTables {
  readonly view: ViewTables;
  readonly inputs: AttentionInputs;
}

/** Declares the inputs of attention and appends the nodes that prepare them. */
export function buildStepTables(graph: GraphBuilder, request: AttentionRequest): StepTables {
  const inputs = declareInputs(graph, request);
  const pageTokens = dimension(graph, (inputs.pools[0] as LayerPools).keys.pages, 2);
  const views = inputs.views.map((view): ViewTables => {
    const isSingleRow = singleRowFlag(graph, view, inputs.chunk);
    const sequence = singleSequenceTables(graph, view, inputs.chunk, request.attention);
    const place = { inputs, view, isSingleRow, sequence, pageTokens };
    return {
      ...(view.window === undefined ? {} : { window: view.window }),
      firstPages: (view.levels[0] as LevelInputs).pages,
      isSingleRow,
      singleRow: chooseSingleRow(graph, place),
      parts: chooseParts(graph, place, request.attention),
      ...(sequence && { sequence }),
    };
  });
  return { views, inputs };
}

interface TablesPlace {
  readonly inputs: AttentionInputs;
  readonly view: ViewInputs;
  readonly isSingleRow: Value;
  readonly sequence: SingleSequenceTables | undefined;
  /** int64 [1] tokens a page */
  readonly pageTokens: Value;
}

function singleRowFlag(graph: GraphBuilder, { levels }: ViewInputs, chunk: ChunkInputs): Value {
  const oneRow = equal(graph, dimension(graph, chunk.rowAt, 0), graph.ints([1]));
  const more = levels.slice(1).reduce((any, level) => or(graph, any, level.on), chunk.on);
  return and(graph, oneRow, not(graph, more));
}

function chooseSingleRow(graph: GraphBuilder, place: TablesPlace): SingleRowTables {
  const { inputs, view, isSingleRow, pageTokens } = place;
  const level = view.levels[0] as LevelInputs;
  const yes = graph.branch((inner) => {
    const slots = multiply(inner, dimension(inner, level.pages, 1), pageTokens);
    const slot = range(inner, add(inner, slots, inner.ints([1])), `${level.pages.shape[1]}*pageSize+1`);
    const read = and(inner, less(inner, slot, cast(inner, level.tokens, 'int64')), level.on);
    const rowPositions = inputs.positions && reshape(inner, inputs.positions, { to: [1], shape: [1] });
    const inWindow = windowSight(inner, { view, level, slot, rowPositions });
    const seen = or(inner, inWindow === undefined ? read : and(inner, read, inWindow), equal(inner, slot, slots));
    return [maskUnless(inner, seen), concat(inner, [slots, inner.ints([1])], { axis: 0, shape: [2] })];
  });
  const no = graph.branch((inner) => [identity(inner, inner.floats([0], [1])), identity(inner, inner.ints([1, 1]))]);
  const [mask, widths] = choose(graph, { condition: isSingleRow, yes, no }) as [Value, Value];
  return { mask, widths };
}

function chooseParts(graph: GraphBuilder, place: TablesPlace, attention: AttentionShape): PartTables {
  const { chunk } = place.inputs;
  const { levels } = place.view;
  const yes = graph.branch((inner) => {
    const ofLevels = levels.map((level) => levelMask(inner, level, place, attention));
    const full = ofLevels.flatMap(({ isFull }) => isFull ?? []);
    const masks = ofLevels.map(({ mask }) => mask);
    return [noWeight(inner, chunk.rowAt, attention), chunkMask(inner, chunk, place.view, attention), ...masks, ...full];
  });
  // Nobody reads them in a step of a single row or of a single sequence, but an `If` gives out as many values either way.
  const no = graph.branch((inner) =>
    yes.outputs.map(({ type }) => (type === 'bool' ? never(inner) : identity(inner, inner.floats([0], [1])))),
  );
  const other = place.sequence === undefined ? place.isSingleRow : or(graph, place.isSingleRow, place.sequence.holds);
  const chosen = choose(graph, { condition: not(graph, other), yes, no });
  const [logSum, ofChunk, ...ofLevels] = chosen as [Value, Value, ...Value[]];
  const masks = ofLevels.slice(0, levels.length);
  const full = ofLevels.slice(levels.length);
  return {
    levels: levels.map((level, index) => {
      const isFull = full[index];
      return { ...level, mask: masks[index] as Value, ...(isFull && { isFull }) };
    }),
    chunk: { ...chunk, mask: ofChunk },
    nothing: { output: graph.floats([0], [1]), logSum },
  };
}

/** Through a window no level is full, and nothing says whether one is. */
function levelMask(
  graph: GraphBuilder,
  level: LevelInputs,
  place: TablesPlace,
  attention: AttentionShape,
): Pick<LevelTables, 'mask' | 'isFull'> {
  const [groups, pagesAGroup] = level.pages.shape as [string, string];
  const yes = graph.branch((inner) => {
    const slots = multiply(inner, dimension(inner, level.pages, 1), place.pageTokens);
    const slot = range(inner, slots, `${pagesAGroup}*pageSize`);
    const limit = reshape(inner, cast(inner, level.tokens, 'int64'), { to: [-1, 1, 1], shape: [groups, 1, 1] });
    const read = less(inner, slot, limit);
    const rowPositions = place.inputs.positions && perRow(inner, place.inputs.positions, level);
    const inWindow = windowSight(inner, { view: place.view, level, slot, rowPositions });
    if (inWindow === undefined) return [maskUnless(inner, read), equal(inner, leastOf(inner, limit), slots)];
    const mask = maskUnless(inner, and(inner, read, inWindow));
    return [forEachQuery(inner, mask, { width: slots, g: attention.heads / attention.kvHeads })];
  });
  const no = graph.branch((inner) => [
    identity(inner, inner.floats([0], [1])),
    ...(yes.outputs.length > 1 ? [never(inner)] : []),
  ]);
  const [mask, isFull] = choose(graph, { condition: level.on, yes, no }) as [Value, Value?];
  return { mask, ...(isFull && { isFull }) };
}

/** The least of the elements of x [n, 1, ..]: [1] */
function leastOf(graph: GraphBuilder, x: Value): Value {
  const flat = reshape(graph, x, { to: [-1], shape: x.shape.slice(0, 1) });
  const attributes = { keepdims: { int: 1 } };
  return graph.call({ operator: 'ReduceMin', inputs: [flat, graph.ints([0])], attributes }, x.type, [1]);
}

/** bool [1]: false. */
function never(graph: GraphBuilder): Value {
  return equal(graph, graph.ints([0]), graph.ints([1]));
}

/** int32 [G, R, 1] positions of the rows of each group. */
function perRow(graph: GraphBuilder, positions: Value, { rows }: LevelInputs): Value {
  const shape = [...rows.shape, 1];
  return reshape(graph, gather(graph, positions, rows, 0), { to: [0, 0, 1], shape });
}

interface Sight {
  readonly view: ViewInputs;
  readonly level: LevelInputs;
  /** int64 [tokens] place of a key in the group's pages. */
  readonly slot: Value;
  /** int32 [.., 1]; needed by views with a window. */
  readonly rowPositions: Value | undefined;
}

/** Whether a row is less than the window behind a key; undefined without a window. bool [.., tokens] */
function windowSight(graph: GraphBuilder, { view, level, slot, rowPositions }: Sight): Value | undefined {
  if (view.window === undefined || level.first === undefined || rowPositions === undefined) return undefined;
  // Groups, rows and tokens are axes of their own; a single row has neither groups nor rows.
  const groups = rowPositions.shape.length === 3 ? [-1, 1, 1] : [-1];
  const shape = rowPositions.shape.length === 3 ? [...level.first.shape, 1, 1] : [1];
  const first = reshape(graph, cast(graph, level.first, 'int64'), { to: groups, shape });
  const distance = subtract(graph, cast(graph, rowPositions, 'int64'), add(graph, first, slot));
  return less(graph, distance, graph.ints([view.window]));
}

/** [.., rows, width] -> [.., rows x g, width]: the query heads of a KV head are rows of their own, with the mask of their row. */
export function forEachQuery(graph: GraphBuilder, mask: Value, { width, g }: { width: Value; g: number }): Value {
  if (g === 1) return mask;
  const outer = mask.shape.slice(0, -2);
  const [rows, tokens] = mask.shape.slice(-2) as [Dim, Dim];
  const apart = reshape(graph, mask, {
    to: concat(graph, [graph.ints([...outer.map(() => 0), -1, 1]), width], { axis: 0, shape: [outer.length + 3] }),
    shape: [...outer, rows, 1, tokens],
  });
  const each = expand(graph, apart, {
    to: graph.ints([...outer.map(() => 1), 1, g, 1]),
    shape: [...outer, rows, g, tokens],
  });
  const to = concat(graph, [graph.ints([...outer.map(() => 0), -1]), width], { axis: 0, shape: [outer.length + 2] });
  return reshape(graph, each, { to, shape: [...outer, `${rows}*${g}`, tokens] });
}

function chunkMask(graph: GraphBuilder, chunk: ChunkInputs, view: ViewInputs, attention: AttentionShape): Value {
  const yes = graph.branch((inner) => {
    const rowCount = dimension(inner, chunk.rows, 1);
    const place = range(inner, rowCount, 'T');
    const own = reshape(inner, place, { to: [-1, 1], shape: ['T', 1] });
    const before = less(inner, place, own);
    // The rows of a chunk are consecutive positions.
    const seen =
      view.window === undefined
        ? before
        : and(inner, before, less(inner, subtract(inner, own, place), inner.ints([view.window])));
    const mask = maskUnless(inner, seen);
    return [forEachQuery(inner, mask, { width: rowCount, g: attention.heads / attention.kvHeads })];
  });
  return choose(graph, { condition: chunk.on, yes, no: noMask(graph) })[0] as Value;
}

/** Logarithm of a sum that gives no weight. `anyRows` is any value [M]. float32 [kvHeads, M, queries per KV head, 1] */
function noWeight(graph: GraphBuilder, anyRows: Value, { heads, kvHeads }: AttentionShape): Value {
  const g = heads / kvHeads;
  const extents = [graph.ints([kvHeads]), dimension(graph, anyRows, 0), graph.ints([g, 1])];
  const to = concat(graph, extents, { axis: 0, shape: [4] });
  return expand(graph, graph.floats([MASKED_SCORE], [1]), { to, shape: [kvHeads, 'M', g, 1] });
}

/** 0 where a key is seen, else a score that gives no weight. */
export function maskUnless(graph: GraphBuilder, seen: Value): Value {
  return where(graph, seen, graph.floats([0], [1]), graph.floats([MASKED_SCORE], [1]));
}

function noMask(graph: GraphBuilder): Branch {
  return graph.branch((inner) => [identity(inner, inner.floats([0], [1]))]);
}
