/** What attention on a fixed grid needs of a step, worked out once instead of once a layer. See fixed-grid.ts. */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import {
  add,
  and,
  cast,
  concat,
  dimension,
  expand,
  gather,
  less,
  multiply,
  range,
  reshape,
  subtract,
} from '../ir/operators.ts';
import { type GridLevelKind, gridLevels, stepInputs } from '../step-interface.ts';
import { declarePools, type LayerPools } from './page-format.ts';
import type { AttentionRequest, AttentionShape } from './step-inputs.ts';
import { forEachQuery, MASKED_SCORE, maskUnless } from './step-tables.ts';

export interface GridLevel {
  /** bool [1] */
  readonly on: Value;
  /** int32 [G, R] */
  readonly rows: Value;
  /** int32 [G, P] */
  readonly pages: Value;
  /** Rows of the step that stand in these blocks; absent: none do. */
  readonly written?: WrittenRows;
  /** By window: float32 [G, R x queries per KV head, P x pageSize]. None: every row reads all of it. */
  readonly masks: ReadonlyMap<number | undefined, Value>;
}

interface WrittenRows {
  /** int32 [W] row of the batch */
  readonly rows: Value;
  /** int64 [kvHeads, W, 2] head and place among the gathered slots of all groups */
  readonly places: Value;
}

/** What groups give their rows, with a place for each row of each group. */
export interface GridParts {
  /** float32 [kvHeads, places, g x headDim] normalised */
  readonly outputs: Value;
  /** float32 [kvHeads, places, g] largest score */
  readonly peaks: Value;
  /** float32 [kvHeads, places, g] largest probability */
  readonly tops: Value;
}

export interface GridTables {
  readonly levels: readonly GridLevel[];
  /** int64 [B, kvHeads, M] place of a row's part among those of all heads, block by block. */
  readonly partAt: Value;
  /** Place 0: what is given for blocks behind a row's last one, and by levels that are off. It has no weight. */
  readonly nothing: GridParts;
  readonly pools: readonly LayerPools[];
}

/** Declares the inputs and works out what all layers need. */
export function buildGridTables(graph: GraphBuilder, request: AttentionRequest): GridTables {
  const { attention, windows, hasFullLayers } = request;
  const { heads, kvHeads } = attention;
  const positions = graph.sharedInput(stepInputs.positions, 'int32', ['M']);
  const pools = declarePools(graph, { ...attention, ...request });
  const pageTokens = dimension(graph, (pools[0] as LayerPools).keys.pages, 2);
  const views = [...(hasFullLayers ? [undefined] : []), ...windows];
  const place = { positions, pageTokens, views, g: heads / kvHeads, kvHeads };
  const levels = gridLevels.map((kind, index) => buildLevel(graph, index, { ...place, kind }));
  return {
    levels,
    partAt: partsOfHeads(graph, levels, kvHeads),
    nothing: nothingRead(graph, attention),
    pools,
  };
}

/** Blocks outermost, where sums over them are in order. */
function partsOfHeads(graph: GraphBuilder, levels: readonly GridLevel[], kvHeads: number): Value {
  const partAt = cast(graph, graph.input(stepInputs.partAt, 'int32', ['B', 'M']), 'int64');
  const placesOf = ({ rows }: GridLevel) => multiply(graph, dimension(graph, rows, 0), dimension(graph, rows, 1));
  const places = levels.reduce((sum, level) => add(graph, sum, placesOf(level)), graph.ints([1]));
  return add(
    graph,
    reshape(graph, partAt, { to: [0, 1, -1], shape: ['B', 1, 'M'] }),
    multiply(graph, eachHead(graph, kvHeads), places),
  );
}

/** 0, 1, ... as int64 [kvHeads, 1] */
function eachHead(graph: GraphBuilder, kvHeads: number): Value {
  const numbers = graph.ints(Array.from({ length: kvHeads }, (_, head) => head));
  return reshape(graph, numbers, { to: [kvHeads, 1], shape: [kvHeads, 1] });
}

function nothingRead(graph: GraphBuilder, { heads, kvHeads, headDim }: AttentionShape): GridParts {
  const filled = (value: number, width: number) =>
    expand(graph, graph.floats([value], [1]), {
      to: graph.ints([kvHeads, 1, width]),
      shape: [kvHeads, 1, width],
    });
  const g = heads / kvHeads;
  return { outputs: filled(0, g * headDim), peaks: filled(MASKED_SCORE, g), tops: filled(1, g) };
}

interface GridPlace {
  readonly kind: GridLevelKind;
  readonly positions: Value;
  /** int64 [1] */
  readonly pageTokens: Value;
  readonly views: readonly (number | undefined)[];
  readonly g: number;
  readonly kvHeads: number;
}

function buildLevel(graph: GraphBuilder, index: number, place: GridPlace): GridLevel {
  const [groups, rows, pages] = [`G${index}`, `R${index}`, `P${index}`];
  const level = {
    on: graph.input(stepInputs.levelOn(index), 'bool', [1]),
    rows: graph.input(stepInputs.levelRows(index), 'int32', [groups, rows]),
    pages: graph.input(stepInputs.levelPages(index), 'int32', [groups, pages]),
  };
  const isWritten = place.kind === 'written';
  // Rows see all of a whole block, unless a window cuts it.
  const masked = isWritten ? place.views : place.views.filter((window) => window !== undefined);
  if (masked.length === 0) return { ...level, masks: new Map() };
  const first = graph.input(stepInputs.levelFirst(index), 'int32', [groups]);
  const masks = new Map(masked.map((window) => [window, gridMask(graph, { ...level, first }, { ...place, window })]));
  return { ...level, masks, ...(isWritten && { written: writtenRows(graph, index, place.kvHeads) }) };
}

function writtenRows(graph: GraphBuilder, index: number, kvHeads: number): WrittenRows {
  const dim = `W${index}`;
  const rows = graph.input(stepInputs.levelWritten(index), 'int32', [dim]);
  const slot = cast(graph, graph.input(stepInputs.levelWrittenAt(index), 'int32', [dim]), 'int64');
  const shape = [kvHeads, dim, 1];
  const to = concat(graph, [graph.ints([kvHeads]), dimension(graph, rows, 0), graph.ints([1])], {
    axis: 0,
    shape: [3],
  });
  const heads = reshape(graph, eachHead(graph, kvHeads), { to: [kvHeads, 1, 1], shape: [kvHeads, 1, 1] });
  const slots = reshape(graph, slot, { to: [1, -1, 1], shape: [1, dim, 1] });
  const parts = [heads, slots].map((x) => expand(graph, x, { to, shape }));
  return { rows, places: concat(graph, parts, { axis: -1, shape: [kvHeads, dim, 2] }) };
}

function gridMask(
  graph: GraphBuilder,
  level: Pick<GridLevel, 'rows' | 'pages'> & { readonly first: Value },
  { positions, pageTokens, window, g }: GridPlace & { readonly window: number | undefined },
): Value {
  const [groups = 1, rows = 1] = level.rows.shape;
  const width = multiply(graph, dimension(graph, level.pages, 1), pageTokens);
  const own = cast(graph, gather(graph, positions, level.rows, 0), 'int64');
  const row = reshape(graph, own, { to: [0, 0, 1], shape: [groups, rows, 1] });
  const first = reshape(graph, cast(graph, level.first, 'int64'), { to: [-1, 1, 1], shape: [groups, 1, 1] });
  const position = add(graph, first, range(graph, width, `${level.pages.shape[1]}*pageSize`));
  const before = less(graph, position, add(graph, row, graph.ints([1])));
  const seen =
    window === undefined
      ? before
      : and(graph, before, less(graph, subtract(graph, row, position), graph.ints([window])));
  return forEachQuery(graph, maskUnless(graph, seen), { width, g });
}
