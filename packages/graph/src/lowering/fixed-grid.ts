/**
 * Attention whose bits do not depend on the step: a row gives the same result cold, warm, alone, in a batch, in any chunk.
 *
 * Every sequence is a group of its own. Its pages, those that this step fills included, are gathered in the order of positions, and the step's
 * rows are put where their pages will hold them; so key and value of a position always stand at the same place, whether they were computed
 * before or just now. One softmax a row over all places, those that it does not see masked. Sums then run over the same numbers in the same order; what
 * differs between steps is how many zeros follow. Nothing is read once for several sequences: that is the price.
 *
 * Levels are kinds of groups here: 0 sequences with one row, 1 those with several. level{l}_pages, level{l}_tokens take in the step's own rows;
 * there are no chunks.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { PagedAttentionNode, Value } from '../ir/graph.ts';
import {
  add,
  and,
  cast,
  choose,
  concat,
  dimension,
  divide,
  expand,
  gather,
  identity,
  less,
  multiply,
  multiplyMatrices,
  multiplyTransposed,
  range,
  reshape,
  softmax,
  subtract,
  transpose,
  where,
} from '../ir/operators.ts';
import { stepInputs } from '../step-interface.ts';
import { declarePools, type LayerPools, type Pool, readPages } from './page-format.ts';
import { cappedScale, capScores } from './part.ts';
import { type AttentionRequest, declareLevels, type LevelInputs } from './step-inputs.ts';
import { forEachQuery, maskUnless } from './step-tables.ts';

/** Levels of a graph with a fixed grid. */
export const FIXED_GRID_LEVELS = 2;

interface GridLevel extends LevelInputs {
  /** int64 [kvHeads, M, 2] head and place of each row among the gathered slots of all groups. */
  readonly placeOf: Value;
  /** float32 [M, 1, 1]: 1 for rows of this level, 0 for others. */
  readonly isIn: Value;
  /** By window: float32 [G, R x queries per KV head, P x pageSize] */
  readonly masks: ReadonlyMap<number | undefined, Value>;
}

export interface GridTables {
  readonly levels: readonly GridLevel[];
  readonly pools: readonly LayerPools[];
  /** float32 zeros [M, kvHeads, g x headDim] */
  readonly nothing: Value;
}

/** Declares the inputs and works out, once a step, what all layers need. */
export function buildGridTables(graph: GraphBuilder, request: AttentionRequest): GridTables {
  const { attention, windows, hasFullLayers } = request;
  const { heads, kvHeads, headDim } = attention;
  const positions = graph.sharedInput(stepInputs.positions, 'int32', ['M']);
  const pools = declarePools(graph, { ...attention, ...request });
  const pageTokens = dimension(graph, (pools[0] as LayerPools).keys.pages, 2);
  const views = [...(hasFullLayers ? [undefined] : []), ...windows];
  const width = (heads / kvHeads) * headDim;
  const extents = concat(graph, [dimension(graph, positions, 0), graph.ints([kvHeads, width])], {
    axis: 0,
    shape: [3],
  });
  const zero = graph.floats([0], [1]);
  return {
    levels: declareLevels(graph, FIXED_GRID_LEVELS).map((level) =>
      gridLevel(graph, level, { positions, pageTokens, views, g: heads / kvHeads, kvHeads }),
    ),
    pools,
    nothing: expand(graph, zero, { to: extents, shape: ['M', kvHeads, width] }),
  };
}

interface GridPlace {
  readonly positions: Value;
  /** int64 [1] */
  readonly pageTokens: Value;
  readonly views: readonly (number | undefined)[];
  readonly g: number;
  readonly kvHeads: number;
}

function gridLevel(graph: GraphBuilder, level: LevelInputs, place: GridPlace): GridLevel {
  const wide = (x: Value) => cast(graph, x, 'int64');
  const width = multiply(graph, dimension(graph, level.pages, 1), place.pageTokens);
  const group = divide(graph, wide(level.rowAt), dimension(graph, level.rows, 1));
  const isIn = less(graph, graph.ints([0]), wide(gather(graph, level.tokens, group, 0)));
  const positions = wide(place.positions);
  const slot = add(graph, multiply(graph, group, width), where(graph, isIn, positions, graph.ints([0])));
  return {
    ...level,
    placeOf: headsAndSlots(graph, slot, place.kvHeads),
    isIn: reshape(graph, cast(graph, isIn, 'float32'), { to: [-1, 1, 1], shape: ['M', 1, 1] }),
    masks: new Map(place.views.map((window) => [window, gridMask(graph, level, { ...place, width, window })])),
  };
}

/** int64 [kvHeads, M, 2] */
function headsAndSlots(graph: GraphBuilder, slot: Value, kvHeads: number): Value {
  const rows = dimension(graph, slot, 0);
  const to = concat(graph, [graph.ints([kvHeads]), rows, graph.ints([1])], { axis: 0, shape: [3] });
  const shape = [kvHeads, 'M', 1];
  const heads = reshape(graph, graph.ints(Array.from({ length: kvHeads }, (_, head) => head)), {
    to: [kvHeads, 1, 1],
    shape: [kvHeads, 1, 1],
  });
  const slots = reshape(graph, slot, { to: [1, -1, 1], shape: [1, 'M', 1] });
  const parts = [heads, slots].map((x) => expand(graph, x, { to, shape }));
  return concat(graph, parts, { axis: -1, shape: [kvHeads, 'M', 2] });
}

function gridMask(
  graph: GraphBuilder,
  level: LevelInputs,
  { positions, width, window, g }: GridPlace & { width: Value; window: number | undefined },
): Value {
  const [groups = 1, rows = 1] = level.rows.shape;
  const own = cast(graph, gather(graph, positions, level.rows, 0), 'int64');
  const row = reshape(graph, own, { to: [0, 0, 1], shape: [groups, rows, 1] });
  const slot = range(graph, width, `${level.pages.shape[1]}*pageSize`);
  const before = less(graph, slot, add(graph, row, graph.ints([1])));
  const seen =
    window === undefined ? before : and(graph, before, less(graph, subtract(graph, row, slot), graph.ints([window])));
  return forEachQuery(graph, maskUnless(graph, seen), { width, g });
}

/** [1, M, heads x headDim] */
export function attendOnGrid(graph: GraphBuilder, node: PagedAttentionNode, tables: GridTables): Value {
  const { heads, kvHeads, headDim } = node;
  const headsFirst = (x: Value, width: number) =>
    transpose(graph, reshape(graph, x, { to: [-1, kvHeads, width], shape: ['M', kvHeads, width] }), [1, 0, 2]);
  const g = heads / kvHeads;
  const rows = {
    queries: headsFirst(node.queries, g * headDim),
    keys: headsFirst(node.keys, headDim),
    values: headsFirst(node.values, headDim),
  };
  const parts = tables.levels.map((level) => {
    const yes = graph.branch((inner) => [attendGridLevel(inner, node, { level, rows, tables })]);
    const no = graph.branch((inner) => [identity(inner, tables.nothing)]);
    return choose(graph, { condition: level.on, yes, no })[0] as Value;
  });
  const sum = parts.reduce((total, part) => add(graph, total, part));
  return reshape(graph, sum, { to: [1, -1, heads * headDim], shape: [1, 'M', heads * headDim] });
}

interface LevelWork {
  readonly level: GridLevel;
  readonly tables: GridTables;
  /** [kvHeads, M, ..] */
  readonly rows: { readonly queries: Value; readonly keys: Value; readonly values: Value };
}

/** [M, kvHeads, g x headDim] */
function attendGridLevel(graph: GraphBuilder, node: PagedAttentionNode, { level, rows, tables }: LevelWork): Value {
  const { heads, kvHeads, headDim, softcap } = node;
  const g = heads / kvHeads;
  const pools = tables.pools[node.layer] as LayerPools;
  const mask = level.masks.get(node.window) as Value;
  const tokens = mask.shape.at(-1) ?? 1;
  const [groups = 1, rowsAGroup = 1] = level.rows.shape;
  const [keys, values] = [
    [pools.keys, rows.keys],
    [pools.values, rows.values],
  ].map(([pool, fresh]) => fillIn(graph, level, { pool: pool as Pool, fresh: fresh as Value, tokens })) as [
    Value,
    Value,
  ];
  const left = reshape(graph, gather(graph, rows.queries, level.rows, 1), {
    to: [0, 0, -1, headDim],
    shape: [kvHeads, groups, `${rowsAGroup}*${g}`, headDim],
  });
  const alpha = cappedScale(node.scale, softcap);
  const shape = [kvHeads, groups, `${rowsAGroup}*${g}`, tokens];
  const products = multiplyTransposed(graph, { left, right: keys, alpha, shape });
  const weights = softmax(graph, add(graph, capScores(graph, products, softcap), mask), -1);
  const output = multiplyMatrices(graph, { left: weights, right: values, shape: left.shape });
  const flat = reshape(graph, output, {
    to: [kvHeads, -1, g * headDim],
    shape: [kvHeads, `${groups}*${rowsAGroup}`, g * headDim],
  });
  const ofRows = transpose(graph, gather(graph, flat, level.rowAt, 1), [1, 0, 2]);
  return multiply(graph, ofRows, level.isIn);
}

/** Pages as float32 [kvHeads, G, tokens, headDim], with the step's rows at their places. */
function fillIn(
  graph: GraphBuilder,
  level: GridLevel,
  { pool, fresh, tokens }: { pool: Pool; fresh: Value; tokens: number | string },
): Value {
  const { rows, scales } = readPages(graph, pool, level.pages, tokens);
  // The same product that rounded the step's own rows; as a factor of sums it would round otherwise.
  const stored = scales === undefined ? rows : multiply(graph, rows, transpose(graph, scales, [0, 1, 3, 2]));
  const [kvHeads = 1, groups = 1, , headDim = 1] = rows.shape;
  const flat = reshape(graph, stored, {
    to: [0, -1, headDim as number],
    shape: [kvHeads, `${groups}*${tokens}`, headDim],
  });
  const filled = graph.call({ operator: 'ScatterND', inputs: [flat, level.placeOf, fresh] }, 'float32', flat.shape);
  const to = concat(graph, [graph.ints([0]), dimension(graph, level.pages, 0), graph.ints([-1, headDim as number])], {
    axis: 0,
    shape: [4],
  });
  return reshape(graph, filled, { to, shape: rows.shape });
}
