/**
 * Attention whose bits do not depend on the step: a row gives the same result cold, warm, alone, in a batch, in any chunk.
 *
 * The past of a row is cut into blocks at fixed positions. A block gives each of its rows a part: a normalised output, the largest score, and
 * the largest probability, which is 1 / (sum of exponentials relative to the largest score). Parts are merged in the order of blocks. Key and value of a position always
 * stand at the same place of their block, whether they were computed before or just now: a block that this step writes is gathered from its
 * pages, and the step's rows are put where their pages will hold them. So sums run over the same numbers in the same order; what differs between
 * steps is which rows share a product, and how many zeros follow. Both leave a row's bits alone, as long as a product has two rows.
 *
 * Groups are rows that read the same pages of a block, so shared blocks are read once. Levels are kinds of groups here: whole blocks of the past, with few
 * rows (0) and with many (1), and blocks that this step writes, with few rows (2) and with many (3). There are no chunks.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { PagedAttentionNode, Value } from '../ir/graph.ts';
import {
  add,
  choose,
  concat,
  dimension,
  divide,
  gather,
  identity,
  maxOfLast,
  multiply,
  multiplyMatrices,
  multiplyTransposed,
  reshape,
  softmax,
  transpose,
} from '../ir/operators.ts';
import type { GridLevel, GridParts, GridTables } from './grid-tables.ts';
import { type LayerPools, type Pool, readPages } from './page-format.ts';
import { cappedScale, capScores } from './part.ts';

/** A layer's projections, heads outermost as in the pools. */
interface LayerRows {
  readonly node: PagedAttentionNode;
  readonly g: number;
  readonly pools: LayerPools;
  /** [kvHeads, M, g x headDim] */
  readonly queries: Value;
  /** [kvHeads, M, headDim] */
  readonly keys: Value;
  readonly values: Value;
}

/** [1, M, heads x headDim] */
export function attendOnGrid(graph: GraphBuilder, node: PagedAttentionNode, tables: GridTables): Value {
  const { heads, kvHeads, headDim } = node;
  const g = heads / kvHeads;
  const headsFirst = (x: Value, width: number) =>
    transpose(graph, reshape(graph, x, { to: [-1, kvHeads, width], shape: ['M', kvHeads, width] }), [1, 0, 2]);
  const layer: LayerRows = {
    node,
    g,
    pools: tables.pools[node.layer] as LayerPools,
    queries: headsFirst(node.queries, g * headDim),
    keys: headsFirst(node.keys, headDim),
    values: headsFirst(node.values, headDim),
  };
  const { nothing } = tables;
  const parts = tables.levels.map((level) => {
    const give = ({ outputs, peaks, tops }: GridParts) => [outputs, peaks, tops];
    const yes = graph.branch((inner) => give(attendGroups(inner, layer, level)));
    const no = graph.branch((inner) => give(nothing).map((x) => identity(inner, x)));
    const [outputs, peaks, tops] = choose(graph, { condition: level.on, yes, no }) as [Value, Value, Value];
    return { outputs, peaks, tops };
  });
  const merged = mergeBlocks(graph, layer, { parts: [nothing, ...parts], partAt: tables.partAt });
  const rows = transpose(graph, merged, [1, 0, 2]);
  return reshape(graph, rows, { to: [1, -1, heads * headDim], shape: [1, 'M', heads * headDim] });
}

function attendGroups(graph: GraphBuilder, layer: LayerRows, level: GridLevel): GridParts {
  const { kvHeads, headDim, scale, softcap, window } = layer.node;
  const { g, pools } = layer;
  const [groups = 1, rowsAGroup = 1] = level.rows.shape;
  const rows = `${rowsAGroup}*${g}`;
  const [keys, values] = (
    [
      [pools.keys, layer.keys],
      [pools.values, layer.values],
    ] as const
  ).map(([pool, fresh]) => readBlocks(graph, level, { pool, fresh })) as [Value, Value];
  const left = reshape(graph, gather(graph, layer.queries, level.rows, 1), {
    to: [0, 0, -1, headDim],
    shape: [kvHeads, groups, rows, headDim],
  });
  const alpha = cappedScale(scale, softcap);
  const products = multiplyTransposed(graph, {
    left,
    right: keys,
    alpha,
    shape: [kvHeads, groups, rows, keys.shape[2] ?? 1],
  });
  const unmasked = capScores(graph, products, softcap);
  const mask = level.masks.get(window);
  const scores = mask === undefined ? unmasked : add(graph, unmasked, mask);
  const probabilities = softmax(graph, scores, -1);
  const output = multiplyMatrices(graph, { left: probabilities, right: values, shape: left.shape });
  const toPlaces = (x: Value, width: number) =>
    reshape(graph, x, { to: [kvHeads, -1, g * width], shape: [kvHeads, `${groups}*${rowsAGroup}`, g * width] });
  return {
    outputs: toPlaces(output, headDim),
    peaks: toPlaces(maxOfLast(graph, scores), 1),
    tops: toPlaces(maxOfLast(graph, probabilities), 1),
  };
}

/** Pages as float32 [kvHeads, G, tokens, headDim], with the step's rows at their places. */
function readBlocks(
  graph: GraphBuilder,
  level: GridLevel,
  { pool, fresh }: { readonly pool: Pool; readonly fresh: Value },
): Value {
  const tokens = `${level.pages.shape[1]}*pageSize`;
  const { rows, scales } = readPages(graph, pool, level.pages, tokens);
  // The same product that rounded the step's own rows; as a factor of sums it would round otherwise.
  const stored = scales === undefined ? rows : multiply(graph, rows, transpose(graph, scales, [0, 1, 3, 2]));
  if (level.written === undefined) return stored;
  const [kvHeads = 1, groups = 1, , headDim = 1] = rows.shape;
  const flat = reshape(graph, stored, {
    to: [0, -1, headDim as number],
    shape: [kvHeads, `${groups}*${tokens}`, headDim],
  });
  const written = gather(graph, fresh, level.written.rows, 1);
  const filled = graph.call(
    { operator: 'ScatterND', inputs: [flat, level.written.places, written] },
    'float32',
    flat.shape,
  );
  const to = concat(graph, [graph.ints([0]), dimension(graph, level.pages, 0), graph.ints([-1, headDim as number])], {
    axis: 0,
    shape: [4],
  });
  return reshape(graph, filled, { to, shape: rows.shape });
}

/** The parts of every row, one a block, weighed by their sums of exponentials. [kvHeads, M, g x headDim] */
function mergeBlocks(
  graph: GraphBuilder,
  { node: { kvHeads, headDim }, g }: LayerRows,
  { parts, partAt }: { readonly parts: readonly GridParts[]; readonly partAt: Value },
): Value {
  const [blocks = 1, , rows = 1] = partAt.shape;
  const ofRows = (name: keyof GridParts, width: number) => {
    const places = { axis: 1, shape: [kvHeads, 'places', g * width] };
    const all = concat(
      graph,
      parts.map((part) => part[name]),
      places,
    );
    const flat = reshape(graph, all, { to: [-1, g * width], shape: [`${kvHeads}*places`, g * width] });
    const shape = [blocks, kvHeads, rows, g, width];
    return reshape(graph, gather(graph, flat, partAt, 0), { to: [0, 0, 0, g, width], shape });
  };
  // Quotients and products are rounded the same everywhere, where a logarithm may depend on an element's place in its tensor.
  const sums = divide(graph, softmax(graph, ofRows('peaks', 1), 0), ofRows('tops', 1));
  const weights = divide(graph, sums, sumOfBlocks(graph, sums));
  const weighed = sumOfBlocks(graph, multiply(graph, ofRows('outputs', headDim), weights));
  return reshape(graph, weighed, { to: [kvHeads, -1, g * headDim], shape: [kvHeads, rows, g * headDim] });
}

/**
 * Sums over the first axis, which stays as 1. Only there the runtime adds one after the other: over an axis in the middle it may multiply with ones instead,
 * four at a time, so that bits follow from how many blocks the longest sequence of the step has.
 */
function sumOfBlocks(graph: GraphBuilder, x: Value): Value {
  return graph.call({ operator: 'ReduceSum', inputs: [x, graph.ints([0])] }, x.type, [1, ...x.shape.slice(1)]);
}
