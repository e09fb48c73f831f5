/**
 * Attention of many rows. A row's attention is cut into parts: itself, its group at each level, the earlier rows of its chunk. Each
 * part gives a normalised output and the logarithm of its sum of exponentials; the softmax of those logarithms over the parts weighs the
 * outputs. This is the merge of partial softmaxes that FlashAttention and cascade inference use.
 *
 * g = heads / kvHeads query heads share a KV head and are folded into rows, so that one product serves all of them.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { PagedAttentionNode, Value } from '../ir/graph.ts';
import {
  add,
  choose,
  concat,
  gather,
  identity,
  multiply,
  reshape,
  softmax,
  splitLast,
  sumOfLast,
  transpose,
} from '../ir/operators.ts';
import { type LayerPools, type PageRows, type Pool, readPages } from './page-format.ts';
import { attend, cappedScale, capScores, type PartResult } from './part.ts';
import type { AttentionInputs } from './step-inputs.ts';
import type { ChunkTables, LayerTables, LevelTables, NothingRead } from './step-tables.ts';

/** A layer's projections, heads outermost as in the pools: nothing has to be transposed between here and the output. */
interface LayerRows {
  readonly node: PagedAttentionNode;
  readonly g: number;
  /** [kvHeads, M, g x headDim] */
  readonly queries: Value;
  /** [kvHeads, M, headDim] */
  readonly keys: Value;
  readonly values: Value;
}

/** [1, M, heads x headDim] */
export function attendInParts(graph: GraphBuilder, node: PagedAttentionNode, tables: LayerTables): Value {
  const { heads, kvHeads, headDim } = node;
  const g = heads / kvHeads;
  const headsFirst = (x: Value, width: number) => {
    const apart = reshape(graph, x, { to: [-1, kvHeads, width], shape: ['M', kvHeads, width] });
    return transpose(graph, apart, [1, 0, 2]);
  };
  const layer: LayerRows = {
    node,
    g,
    queries: headsFirst(node.queries, g * headDim),
    keys: headsFirst(node.keys, headDim),
    values: headsFirst(node.values, headDim),
  };
  const { levels, chunk, nothing } = tables.view.parts;
  const optional = (on: Value, build: (inner: GraphBuilder) => PartResult) => choosePart(graph, { on, nothing, build });
  const merged = merge(graph, layer, [
    ownPart(graph, layer),
    ...levels.map((level) => optional(level.on, (inner) => attendLevel(inner, layer, level, tables.inputs))),
    optional(chunk.on, (inner) => attendChunk(inner, layer, chunk)),
  ]);
  const wide = reshape(graph, merged, { to: [kvHeads, -1, g * headDim], shape: [kvHeads, 'M', g * headDim] });
  const rows = transpose(graph, wide, [1, 0, 2]);
  return reshape(graph, rows, { to: [1, -1, heads * headDim], shape: [1, 'M', heads * headDim] });
}

interface OptionalPart {
  readonly on: Value;
  readonly nothing: NothingRead;
  readonly build: (inner: GraphBuilder) => PartResult;
}

function choosePart(graph: GraphBuilder, { on, nothing, build }: OptionalPart): PartResult {
  const yes = graph.branch((inner) => {
    const part = build(inner);
    return [part.output, part.logSum];
  });
  const no = graph.branch((inner) => [identity(inner, nothing.output), identity(inner, nothing.logSum)]);
  const [output, logSum] = choose(graph, { condition: on, yes, no }) as [Value, Value];
  return { output, logSum };
}

/** The row's own key and value. */
function ownPart(graph: GraphBuilder, { node, g, queries, keys, values }: LayerRows): PartResult {
  const { kvHeads, headDim } = node;
  const scale = cappedScale(node.scale, node.softcap);
  const apart = (x: Value, rows: number) =>
    reshape(graph, x, { to: [0, 0, rows, headDim], shape: [kvHeads, 'M', rows, headDim] });
  const rows = apart(queries, g);
  // Product and sum: as a batch of M x kvHeads tiny matrix products it takes more than twice the time in a prefill.
  const products = sumOfLast(graph, multiply(graph, rows, apart(keys, 1)));
  return {
    output: apart(values, 1),
    logSum: capScores(graph, multiply(graph, products, graph.floats([scale], [1])), node.softcap),
  };
}

/** One level: the rows of each group against the pages of the group. */
function attendLevel(graph: GraphBuilder, layer: LayerRows, level: LevelTables, inputs: AttentionInputs): PartResult {
  const pools = inputs.pools[layer.node.layer] as LayerPools;
  const read = (pool: Pool) => readPages(graph, pool, level.pages, level.mask.shape.at(-1) ?? 1);
  return attendGroups(graph, layer, { ...level, keys: read(pools.keys), values: read(pools.values) });
}

/** The rows of each chunk against the earlier rows of the same chunk. */
function attendChunk(graph: GraphBuilder, layer: LayerRows, chunk: ChunkTables): PartResult {
  const [keys, values] = [layer.keys, layer.values].map((rows) => ({ rows: gather(graph, rows, chunk.rows, 1) }));
  return attendGroups(graph, layer, { ...chunk, keys: keys as PageRows, values: values as PageRows });
}

interface Groups {
  /** int32 [G, R] */
  readonly rows: Value;
  /** int32 [M] */
  readonly rowAt: Value;
  readonly mask: Value;
  readonly isFull?: Value;
  /** [kvHeads, G, tokens, headDim] */
  readonly keys: PageRows;
  readonly values: PageRows;
}

function attendGroups(graph: GraphBuilder, layer: LayerRows, groups: Groups): PartResult {
  const { kvHeads, headDim, scale, softcap } = layer.node;
  const { g } = layer;
  const { keys, values, mask, isFull } = groups;
  const [count, rowsAGroup] = groups.rows.shape as [string, string];
  const folded = [kvHeads, count, `${rowsAGroup}*${g}`, headDim];
  const queries = reshape(graph, gather(graph, layer.queries, groups.rows, 1), {
    to: [0, 0, -1, headDim],
    shape: folded,
  });
  const part = attend(graph, { queries, keys, values, mask, isFull, scale, softcap });
  const toRows = (x: Value, width: number) => {
    const shape = [kvHeads, `${count}*${rowsAGroup}`, g * width];
    const flat = reshape(graph, x, { to: [kvHeads, -1, g * width], shape });
    const rows = gather(graph, flat, groups.rowAt, 1);
    return reshape(graph, rows, { to: [0, 0, g, width], shape: [kvHeads, 'M', g, width] });
  };
  return { output: toRows(part.output, headDim), logSum: toRows(part.logSum, 1) };
}

/** Weighs the parts of every row by the softmax of their logarithms. [kvHeads, M, g, headDim] */
function merge(graph: GraphBuilder, layer: LayerRows, parts: readonly PartResult[]): Value {
  const rows = [layer.node.kvHeads, 'M', layer.g];
  const logSums = parts.map(({ logSum }) => logSum);
  const weights = softmax(graph, concat(graph, logSums, { axis: -1, shape: [...rows, parts.length] }), -1);
  // Products and sums element by element: a batch of M x heads tiny matrix products takes longer.
  const shares = splitLast(
    graph,
    weights,
    parts.map(() => 1),
  );
  const weighed = parts.map(({ output }, part) => multiply(graph, output, shares[part] as Value));
  return weighed.reduce((sum, next) => add(graph, sum, next));
}
