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
  choose,
  concat,
  expand,
  gather,
  identity,
  multiply,
  multiplyMatrices,
  reshape,
  softmax,
  sumOfLast,
  transpose,
} from '../ir/operators.ts';
import { attend, cappedScale, capScores, type PartResult } from './part.ts';
import type { AttentionInputs } from './step-inputs.ts';
import type { ChunkTables, LayerTables, LevelTables, NothingRead } from './step-tables.ts';

/** A layer's projections in the layout of attention. */
interface LayerRows {
  readonly node: PagedAttentionNode;
  readonly g: number;
  /** [M, kvHeads, g, 1, headDim] */
  readonly queries: Value;
  /** [M, kvHeads, 1, 1, headDim] */
  readonly keys: Value;
  readonly values: Value;
}

/** [1, M, heads x headDim] */
export function attendInParts(graph: GraphBuilder, node: PagedAttentionNode, tables: LayerTables): Value {
  const { heads, kvHeads, headDim } = node;
  const g = heads / kvHeads;
  const fold = (x: Value, rows: number) =>
    reshape(graph, x, { to: [-1, kvHeads, rows, 1, headDim], shape: ['M', kvHeads, rows, 1, headDim] });
  const layer: LayerRows = {
    node,
    g,
    queries: fold(node.queries, g),
    keys: fold(node.keys, 1),
    values: fold(node.values, 1),
  };
  const { levels, chunk, nothing } = tables.view.parts;
  const optional = (on: Value, build: (inner: GraphBuilder) => PartResult) => choosePart(graph, { on, nothing, build });
  const merged = merge(graph, layer, [
    ownPart(graph, layer),
    ...levels.map((level) => optional(level.on, (inner) => attendLevel(inner, layer, level, tables.inputs))),
    optional(chunk.on, (inner) => attendChunk(inner, layer, chunk)),
  ]);
  return reshape(graph, merged, { to: [1, -1, heads * headDim], shape: [1, 'M', heads * headDim] });
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
  // Product and sum: as a batch of M x kvHeads tiny matrix products it takes more than twice the time in a prefill.
  const scale = cappedScale(node.scale, node.softcap);
  const products = sumOfLast(graph, multiply(graph, queries, keys));
  return {
    output: expand(graph, values, { to: graph.ints([1, 1, g, 1, 1]), shape: queries.shape }),
    logSum: capScores(graph, multiply(graph, products, graph.floats([scale], [1])), node.softcap),
  };
}

/** One level: the rows of each group against the pages of the group. */
function attendLevel(graph: GraphBuilder, layer: LayerRows, level: LevelTables, inputs: AttentionInputs): PartResult {
  const { kvHeads, headDim, scale, softcap, layer: number } = layer.node;
  const { g } = layer;
  const [groups, rowsAGroup] = level.rows.shape as [string, string];
  const rows = transpose(graph, gather(graph, layer.queries, level.rows, 0), [2, 0, 1, 3, 4, 5]);
  const folded = [kvHeads, groups, `${rowsAGroup}*${g}`, headDim];
  const queries = reshape(graph, rows, { to: [0, 0, -1, headDim], shape: folded });
  const read = (pool: Value | undefined) => {
    const pages = gather(graph, pool as Value, level.pages, 1);
    const tokens = level.mask.shape.at(-1) ?? 1;
    return reshape(graph, pages, { to: [0, 0, -1, headDim], shape: [kvHeads, groups, tokens, headDim] });
  };
  const [keys, values] = [read(inputs.keyPages[number]), read(inputs.valuePages[number])];
  const part = attend(graph, { queries, keys, values, mask: level.mask, scale, softcap });
  const toRows = (x: Value, width: number) => {
    const shape = [kvHeads, `${groups}*${rowsAGroup}`, g, 1, width];
    const flat = reshape(graph, x, { to: [kvHeads, -1, g, 1, width], shape });
    return gather(graph, transpose(graph, flat, [1, 0, 2, 3, 4]), level.rowAt, 0);
  };
  return { output: toRows(part.output, headDim), logSum: toRows(part.logSum, 1) };
}

/** The rows of each chunk against the earlier rows of the same chunk. */
function attendChunk(graph: GraphBuilder, layer: LayerRows, chunk: ChunkTables): PartResult {
  const { kvHeads, headDim, scale, softcap } = layer.node;
  const { g } = layer;
  // Gathered as [C, T, kvHeads, rows, 1, headDim]; a head's rows must lie together.
  const take = (x: Value, rows: number) => {
    const taken = transpose(graph, gather(graph, x, chunk.rows, 0), [0, 2, 1, 3, 4, 5]);
    const shape = ['C', kvHeads, rows === 1 ? 'T' : `T*${rows}`, headDim];
    return reshape(graph, taken, { to: [0, 0, -1, headDim], shape });
  };
  const [queries, keys, values] = [take(layer.queries, g), take(layer.keys, 1), take(layer.values, 1)];
  const part = attend(graph, { queries, keys, values, mask: chunk.mask, scale, softcap });
  const toRows = (x: Value, width: number) => {
    const unfolded = reshape(graph, x, { to: [0, 0, -1, g, width], shape: ['C', kvHeads, 'T', g, width] });
    const byRow = transpose(graph, unfolded, [0, 2, 1, 3, 4]);
    const flat = reshape(graph, byRow, { to: [-1, kvHeads, g, 1, width], shape: ['C*T', kvHeads, g, 1, width] });
    return gather(graph, flat, chunk.rowAt, 0);
  };
  return { output: toRows(part.output, headDim), logSum: toRows(part.logSum, 1) };
}

/** Weighs the parts of every row by the softmax of their logarithms. [M, kvHeads, g, 1, headDim] */
function merge(graph: GraphBuilder, layer: LayerRows, parts: readonly PartResult[]): Value {
  const { kvHeads, headDim } = layer.node;
  const rows = ['M', kvHeads, layer.g];
  const count = parts.length;
  const logSums = parts.map(({ logSum }) => logSum);
  const outputs = parts.map(({ output }) => output);
  const weights = softmax(graph, concat(graph, logSums, { axis: -1, shape: [...rows, 1, count] }), -1);
  const right = concat(graph, outputs, { axis: 3, shape: [...rows, count, headDim] });
  return multiplyMatrices(graph, { left: weights, right, shape: [...rows, 1, headDim] });
}
