/**
 * Attention over pages as ONNX operators.
 *
 * A row's attention is cut into parts: itself, its group at each level, the earlier rows of its chunk. Each part gives a normalised
 * output and the logarithm of its sum of exponentials; the softmax of those logarithms over the parts weighs the outputs. This is the
 * merge of partial softmaxes that FlashAttention and cascade inference use.
 *
 * Layouts: g = heads / kvHeads query heads share a KV head and are folded into rows, so that one product serves all of them.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Block, Graph, PagedAttentionNode, Value } from '../ir/graph.ts';
import {
  add,
  choose,
  concat,
  expand,
  gather,
  identity,
  log,
  maxOfLast,
  multiplyLeftTransposed,
  multiplyMatrices,
  multiplyTransposed,
  reshape,
  softmax,
  splitLast,
  subtract,
  transpose,
} from '../ir/operators.ts';
import { buildStepTables, type ChunkTables, type LevelTables, type StepTables } from './step-tables.ts';

/** A layer's projections in the layout of attention. */
interface LayerRows {
  readonly node: PagedAttentionNode;
  /** g */
  readonly queriesAHead: number;
  /** [M, kvHeads, g, headDim] */
  readonly queries: Value;
  /** [M, kvHeads, 1, headDim] */
  readonly keys: Value;
  readonly values: Value;
}

/** Replaces each abstract attention node; declares the inputs that it needs. `graph` must have come from `builder`. */
export function lowerPagedAttention(builder: GraphBuilder, levels: number): Graph {
  const nodes = builder.nodes;
  const attentions = nodes.filter((node) => node.kind === 'paged-attention');
  const lowered = builder.sibling();
  const [first] = attentions;
  if (first === undefined) return builder.finish();
  const tables = buildStepTables(lowered, { levels, layers: attentions.length, attention: first });
  for (const node of nodes) {
    if (node.kind === 'operator') lowered.appendNode(node);
    else lowerNode(lowered, node, tables);
  }
  return lowered.finish();
}

function lowerNode(graph: GraphBuilder, node: PagedAttentionNode, tables: StepTables): void {
  const { kvHeads, headDim } = node;
  const queriesAHead = node.heads / kvHeads;
  const fold = (x: Value, rows: number) => reshape(graph, x, { to: [-1, kvHeads, rows, headDim], shape: ['M', kvHeads, rows, headDim] });
  const layer: LayerRows = {
    node,
    queriesAHead,
    queries: fold(node.queries, queriesAHead),
    keys: fold(node.keys, 1),
    values: fold(node.values, 1),
  };
  const nothing = graph.block((inner) => [identity(inner, tables.nothing)]);
  const part = (on: Value, yes: Block) => choose(graph, { condition: on, yes, no: nothing })[0] as Value;
  const parts = [
    ...tables.levels.map((level) => part(level.on, graph.block((inner) => [attendLevel(inner, layer, level, tables)]))),
    part(tables.chunk.on, graph.block((inner) => [attendChunk(inner, layer, tables.chunk)])),
  ];
  merge(graph, layer, parts);
}

/** One level: the rows of each group against the pages of the group. [M, kvHeads, g, headDim + 1] */
function attendLevel(graph: GraphBuilder, layer: LayerRows, level: LevelTables, tables: StepTables): Value {
  const { kvHeads, headDim } = layer.node;
  const g = layer.queriesAHead;
  const [groups, rowsAGroup] = level.rows.shape as [string, string];
  const rows = transpose(graph, gather(graph, layer.queries, level.rows, 0), [2, 0, 1, 3, 4]);
  const queries = reshape(graph, rows, { to: [0, 0, -1, headDim], shape: [kvHeads, groups, `${rowsAGroup}*${g}`, headDim] });
  const read = (pool: Value | undefined) => {
    const pages = gather(graph, pool as Value, level.pages, 1);
    const tokens = level.mask.shape.at(-1) ?? 1;
    return reshape(graph, pages, { to: [0, 0, -1, headDim], shape: [kvHeads, groups, tokens, headDim] });
  };
  const keys = read(tables.keyPages[layer.node.layer]);
  const values = read(tables.valuePages[layer.node.layer]);
  const part = attend(graph, { queries, keys, values, mask: level.mask, scale: layer.node.scale });
  const shape = [kvHeads, `${groups}*${rowsAGroup}`, g, headDim + 1];
  const flat = reshape(graph, part, { to: [kvHeads, -1, g, headDim + 1], shape });
  return gather(graph, transpose(graph, flat, [1, 0, 2, 3]), level.rowAt, 0);
}

/** The rows of each chunk against the earlier rows of the same chunk. [M, kvHeads, g, headDim + 1] */
function attendChunk(graph: GraphBuilder, layer: LayerRows, chunk: ChunkTables): Value {
  const { kvHeads, headDim } = layer.node;
  const g = layer.queriesAHead;
  // Gathered as [C, T, kvHeads, rows, headDim]; a head's rows must lie together.
  const take = (x: Value, rows: number) => {
    const taken = transpose(graph, gather(graph, x, chunk.rows, 0), [0, 2, 1, 3, 4]);
    return reshape(graph, taken, { to: [0, 0, -1, headDim], shape: ['C', kvHeads, rows === 1 ? 'T' : `T*${rows}`, headDim] });
  };
  const queries = take(layer.queries, g);
  const keys = take(layer.keys, 1);
  const values = take(layer.values, 1);
  const part = attend(graph, { queries, keys, values, mask: chunk.mask, scale: layer.node.scale });
  const unfolded = reshape(graph, part, { to: [0, 0, -1, g, headDim + 1], shape: ['C', kvHeads, 'T', g, headDim + 1] });
  const byRow = transpose(graph, unfolded, [0, 2, 1, 3, 4]);
  const flat = reshape(graph, byRow, { to: [-1, kvHeads, g, headDim + 1], shape: ['C*T', kvHeads, g, headDim + 1] });
  return gather(graph, flat, chunk.rowAt, 0);
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
 * softmax(scale x Q K^T + mask) V beside the logarithm of its denominator: [.., rows, headDim + 1].
 * The largest probability is exp(peak) / sum, so the sum's logarithm follows from two maxima and the fused Softmax; taking exponentials
 * and sums apart costs one pass over the scores more.
 */
function attend(graph: GraphBuilder, part: AttentionPart): Value {
  const outer = part.queries.shape.slice(0, -1);
  const headDim = part.queries.shape.at(-1) as number;
  const tokens = part.keys.shape.at(-2) ?? 1;
  const products = multiplyTransposed(graph, { left: part.queries, right: part.keys, alpha: part.scale, shape: [...outer, tokens] });
  const scores = add(graph, products, part.mask);
  const probabilities = softmax(graph, scores, -1);
  const logSum = subtract(graph, maxOfLast(graph, scores), log(graph, maxOfLast(graph, probabilities)));
  const output = multiplyMatrices(graph, { left: probabilities, right: part.values, shape: part.queries.shape });
  return concat(graph, [output, logSum], { axis: -1, shape: [...outer, headDim + 1] });
}

/** Weighs the parts of every row by the softmax of their logarithms; the row's own key and value are one more part. */
function merge(graph: GraphBuilder, layer: LayerRows, parts: readonly Value[]): void {
  const { kvHeads, headDim, scale, output } = layer.node;
  const g = layer.queriesAHead;
  const ownScore = multiplyTransposed(graph, { left: layer.queries, right: layer.keys, alpha: scale, shape: ['M', kvHeads, g, 1] });
  const ownValue = expand(graph, layer.values, { to: graph.ints([1, 1, g, 1]), shape: layer.queries.shape });
  const count = parts.length + 1;
  const shape = ['M', kvHeads, g, count, headDim + 1];
  const side = concat(graph, [ownValue, ownScore, ...parts], { axis: -1, shape: ['M', kvHeads, g, count * (headDim + 1)] });
  const stacked = reshape(graph, side, { to: [-1, kvHeads, g, count, headDim + 1], shape });
  const [outputs, logSums] = splitLast(graph, stacked, [headDim, 1]) as [Value, Value];
  const weights = softmax(graph, logSums, -2);
  const merged = multiplyLeftTransposed(graph, { left: weights, right: outputs, shape: ['M', kvHeads, g, 1, headDim] });
  const to = graph.ints([1, -1, kvHeads * g * headDim]);
  graph.append({ operator: 'Reshape', inputs: [merged, to] }, [output]);
}
