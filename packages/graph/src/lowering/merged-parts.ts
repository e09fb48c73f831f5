/**
 * Attention of many rows. A row's attention is cut into parts: itself, its group at each level, the earlier rows of its chunk. Each
 * part gives a normalised output and the logarithm of its sum of exponentials; the softmax of those logarithms over the parts weighs the
 * outputs. This is the merge of partial softmaxes that FlashAttention and cascade inference use.
 *
 * g = heads / kvHeads query heads share a KV head and are folded into rows, so that one product serves all of them.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Block, PagedAttentionNode, Value } from '../ir/graph.ts';
import {
  add,
  choose,
  concat,
  expand,
  gather,
  identity,
  log,
  maxOfLast,
  multiply,
  multiplyMatrices,
  multiplyTransposed,
  reshape,
  softmax,
  subtract,
  sumOfLast,
  transpose,
} from '../ir/operators.ts';
import type { ChunkTables, LevelTables, StepTables } from './step-tables.ts';

/** A layer's projections in the layout of attention. */
interface LayerRows {
  readonly node: PagedAttentionNode;
  /** g */
  readonly queriesAHead: number;
  /** [M, kvHeads, g, 1, headDim] */
  readonly queries: Value;
  /** [M, kvHeads, 1, 1, headDim] */
  readonly keys: Value;
  readonly values: Value;
}

/** A part's result for each row, or before it is mapped to rows. */
interface PartResult {
  /** [M, kvHeads, g, 1, headDim] */
  readonly output: Value;
  /** [M, kvHeads, g, 1, 1] logarithm of the sum of exponentials of the part's scores. */
  readonly logSum: Value;
}

/** [1, M, heads x headDim] */
export function attendInParts(graph: GraphBuilder, node: PagedAttentionNode, tables: StepTables): Value {
  const { heads, kvHeads, headDim } = node;
  const queriesAHead = heads / kvHeads;
  const fold = (x: Value, rows: number) =>
    reshape(graph, x, { to: [-1, kvHeads, rows, 1, headDim], shape: ['M', kvHeads, rows, 1, headDim] });
  const layer: LayerRows = {
    node,
    queriesAHead,
    queries: fold(node.queries, queriesAHead),
    keys: fold(node.keys, 1),
    values: fold(node.values, 1),
  };
  const part = (on: Value, attend: (inner: GraphBuilder) => PartResult): PartResult => {
    const yes = graph.block((inner) => listed(attend(inner)));
    const [output, logSum] = choose(graph, { condition: on, yes, no: nothing(graph, tables) }) as [Value, Value];
    return { output, logSum };
  };
  const parts = [
    ownPart(graph, layer),
    ...tables.levels.map((level) => part(level.on, (inner) => attendLevel(inner, layer, level, tables))),
    part(tables.chunk.on, (inner) => attendChunk(inner, layer, tables.chunk)),
  ];
  const merged = merge(graph, layer, parts);
  return reshape(graph, merged, { to: [1, -1, heads * headDim], shape: [1, 'M', heads * headDim] });
}

function listed(part: PartResult): readonly Value[] {
  return [part.output, part.logSum];
}

function nothing(graph: GraphBuilder, tables: StepTables): Block {
  return graph.block((inner) => [identity(inner, tables.nothing.output), identity(inner, tables.nothing.logSum)]);
}

/** The row's own key and value. */
function ownPart(graph: GraphBuilder, { node, queriesAHead, queries, keys, values }: LayerRows): PartResult {
  // Product and sum: as a batch of M x kvHeads tiny matrix products it takes more than twice the time in a prefill.
  const products = sumOfLast(graph, multiply(graph, queries, keys));
  return {
    output: expand(graph, values, { to: graph.ints([1, 1, queriesAHead, 1, 1]), shape: queries.shape }),
    logSum: multiply(graph, products, graph.floats([node.scale], [1])),
  };
}

/** One level: the rows of each group against the pages of the group. */
function attendLevel(graph: GraphBuilder, layer: LayerRows, level: LevelTables, tables: StepTables): PartResult {
  const { kvHeads, headDim } = layer.node;
  const g = layer.queriesAHead;
  const [groups, rowsAGroup] = level.rows.shape as [string, string];
  const rows = transpose(graph, gather(graph, layer.queries, level.rows, 0), [2, 0, 1, 3, 4, 5]);
  const queries = reshape(graph, rows, {
    to: [0, 0, -1, headDim],
    shape: [kvHeads, groups, `${rowsAGroup}*${g}`, headDim],
  });
  const read = (pool: Value | undefined) => {
    const pages = gather(graph, pool as Value, level.pages, 1);
    const tokens = level.mask.shape.at(-1) ?? 1;
    return reshape(graph, pages, { to: [0, 0, -1, headDim], shape: [kvHeads, groups, tokens, headDim] });
  };
  const keys = read(tables.keyPages[layer.node.layer]);
  const values = read(tables.valuePages[layer.node.layer]);
  const part = attend(graph, { queries, keys, values, mask: level.mask, scale: layer.node.scale });
  const toRows = (x: Value, width: number) => {
    const flat = reshape(graph, x, {
      to: [kvHeads, -1, g, 1, width],
      shape: [kvHeads, `${groups}*${rowsAGroup}`, g, 1, width],
    });
    return gather(graph, transpose(graph, flat, [1, 0, 2, 3, 4]), level.rowAt, 0);
  };
  return { output: toRows(part.output, headDim), logSum: toRows(part.logSum, 1) };
}

/** The rows of each chunk against the earlier rows of the same chunk. */
function attendChunk(graph: GraphBuilder, layer: LayerRows, chunk: ChunkTables): PartResult {
  const { kvHeads, headDim } = layer.node;
  const g = layer.queriesAHead;
  // Gathered as [C, T, kvHeads, rows, 1, headDim]; a head's rows must lie together.
  const take = (x: Value, rows: number) => {
    const taken = transpose(graph, gather(graph, x, chunk.rows, 0), [0, 2, 1, 3, 4, 5]);
    return reshape(graph, taken, {
      to: [0, 0, -1, headDim],
      shape: ['C', kvHeads, rows === 1 ? 'T' : `T*${rows}`, headDim],
    });
  };
  const queries = take(layer.queries, g);
  const keys = take(layer.keys, 1);
  const values = take(layer.values, 1);
  const part = attend(graph, { queries, keys, values, mask: chunk.mask, scale: layer.node.scale });
  const toRows = (x: Value, width: number) => {
    const unfolded = reshape(graph, x, { to: [0, 0, -1, g, width], shape: ['C', kvHeads, 'T', g, width] });
    const byRow = transpose(graph, unfolded, [0, 2, 1, 3, 4]);
    const flat = reshape(graph, byRow, { to: [-1, kvHeads, g, 1, width], shape: ['C*T', kvHeads, g, 1, width] });
    return gather(graph, flat, chunk.rowAt, 0);
  };
  return { output: toRows(part.output, headDim), logSum: toRows(part.logSum, 1) };
}

interface AttentionPart {
  /** [.., rows, headDim] */
  readonly queries: Value;
  /** [.., tokens, headDim] */
  readonly keys: Value;
  readonly values: Value;
  /** Broadcast to [.., rows, tokens]. */
  readonly mask: Value;
  readonly scale: number;
}

/**
 * softmax(scale x Q K^T + mask) V [.., rows, headDim] and the logarithm of its denominator [.., rows, 1].
 * The largest probability is exp(peak) / sum, so the sum's logarithm follows from two maxima and the fused Softmax; taking exponentials
 * and sums apart costs one pass over the scores more.
 */
function attend(graph: GraphBuilder, part: AttentionPart): PartResult {
  const outer = part.queries.shape.slice(0, -1);
  const tokens = part.keys.shape.at(-2) ?? 1;
  const products = multiplyTransposed(graph, {
    left: part.queries,
    right: part.keys,
    alpha: part.scale,
    shape: [...outer, tokens],
  });
  const scores = add(graph, products, part.mask);
  const probabilities = softmax(graph, scores, -1);
  return {
    output: multiplyMatrices(graph, { left: probabilities, right: part.values, shape: part.queries.shape }),
    logSum: subtract(graph, maxOfLast(graph, scores), log(graph, maxOfLast(graph, probabilities))),
  };
}

/** Weighs the parts of every row by the softmax of their logarithms. [M, kvHeads, g, 1, headDim] */
function merge(graph: GraphBuilder, layer: LayerRows, parts: readonly PartResult[]): Value {
  const { kvHeads, headDim } = layer.node;
  const outer = ['M', kvHeads, layer.queriesAHead];
  const logSums = concat(
    graph,
    parts.map(({ logSum }) => logSum),
    { axis: -1, shape: [...outer, 1, parts.length] },
  );
  const outputs = concat(
    graph,
    parts.map(({ output }) => output),
    { axis: 3, shape: [...outer, parts.length, headDim] },
  );
  const weights = softmax(graph, logSums, -1);
  return multiplyMatrices(graph, { left: weights, right: outputs, shape: [...outer, 1, headDim] });
}
