/**
 * What attention needs of the step's page tables, worked out once at the top of the graph instead of once a layer: masks and the
 * neutral result of a part that is switched off.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { PagedAttentionNode, Value } from '../ir/graph.ts';
import { cast, choose, concat, dimension, expand, less, multiply, reshape, where } from '../ir/operators.ts';
import { stepInputs } from '../step-interface.ts';

/**
 * Added to scores that a row must not see. Finite: a group that reads nothing then gets a weight of 0 in the merge, where
 * -Infinity minus -Infinity would make NaN. Large: no sum of scores of a sane model comes near it.
 */
export const MASKED_SCORE = -1e30;

export interface LevelTables {
  /** bool [1] */
  readonly on: Value;
  /** int32 [G, R] */
  readonly rows: Value;
  /** int32 [G, P] */
  readonly pages: Value;
  /** int32 [M] */
  readonly rowAt: Value;
  /** float32 [G, 1, P x pageSize]: 0 for tokens that the group reads. */
  readonly mask: Value;
}

export interface ChunkTables {
  /** bool [1] */
  readonly on: Value;
  /** int32 [C, T] */
  readonly rows: Value;
  /** int32 [M] */
  readonly rowAt: Value;
  /** float32 [T x queries per KV head, T]: 0 where the row comes before. */
  readonly mask: Value;
}

export interface StepTables {
  readonly levels: readonly LevelTables[];
  readonly chunk: ChunkTables;
  /** float32 [M, kvHeads, queries per KV head, headDim + 1]: output 0 with a logarithm of the sum that gives it no weight. */
  readonly nothing: Value;
  readonly keyPages: readonly Value[];
  readonly valuePages: readonly Value[];
}

export type AttentionShape = Pick<PagedAttentionNode, 'heads' | 'kvHeads' | 'headDim'>;

export interface TablesRequest {
  readonly levels: number;
  readonly layers: number;
  readonly attention: AttentionShape;
}

/** Declares the inputs of attention and appends the nodes that prepare them. */
export function buildStepTables(graph: GraphBuilder, request: TablesRequest): StepTables {
  const { kvHeads, headDim } = request.attention;
  const pool = [kvHeads, 'pages', 'pageSize', headDim];
  const pools = (name: (layer: number) => string) =>
    Array.from({ length: request.layers }, (_, layer) => graph.input(name(layer), 'float32', pool));
  const keyPages = pools(stepInputs.keyPages);
  const valuePages = pools(stepInputs.valuePages);
  const pageTokens = dimension(graph, keyPages[0] as Value, 2);
  const levels = Array.from({ length: request.levels }, (_, level) => buildLevel(graph, level, pageTokens));
  const chunk = buildChunk(graph, request.attention);
  return { levels, chunk, nothing: buildNothing(graph, chunk.rowAt, request.attention), keyPages, valuePages };
}

function buildLevel(graph: GraphBuilder, level: number, pageTokens: Value): LevelTables {
  const [groups, rowsAGroup, pagesAGroup] = [`G${level}`, `R${level}`, `P${level}`];
  const on = graph.input(stepInputs.levelOn(level), 'bool', [1]);
  const rows = graph.input(stepInputs.levelRows(level), 'int32', [groups, rowsAGroup]);
  const pages = graph.input(stepInputs.levelPages(level), 'int32', [groups, pagesAGroup]);
  const tokens = graph.input(stepInputs.levelTokens(level), 'int32', [groups]);
  const rowAt = graph.input(stepInputs.levelRowAt(level), 'int32', ['M']);
  const yes = graph.block((inner) => {
    const slots = multiply(inner, dimension(inner, pages, 1), pageTokens);
    const slot = count(inner, slots, `P${level}*pageSize`);
    const limit = reshape(inner, cast(inner, tokens, 'int64'), { to: [-1, 1, 1], shape: [groups, 1, 1] });
    return [maskUnless(inner, less(inner, slot, limit))];
  });
  const [mask] = choose(graph, { condition: on, yes, no: noMask(graph) }) as [Value];
  return { on, rows, pages, rowAt, mask };
}

function buildChunk(graph: GraphBuilder, attention: AttentionShape): ChunkTables {
  const queriesAHead = attention.heads / attention.kvHeads;
  const on = graph.input(stepInputs.chunkOn, 'bool', [1]);
  const rows = graph.input(stepInputs.chunkRows, 'int32', ['C', 'T']);
  const rowAt = graph.input(stepInputs.chunkRowAt, 'int32', ['M']);
  const yes = graph.block((inner) => {
    const rowCount = dimension(inner, rows, 1);
    const place = count(inner, rowCount, 'T');
    const own = reshape(inner, place, { to: [-1, 1, 1], shape: ['T', 1, 1] });
    const mask = maskUnless(inner, less(inner, place, own));
    const eachQuery = expand(inner, mask, { to: inner.ints([1, queriesAHead, 1]), shape: ['T', queriesAHead, 'T'] });
    const to = concat(inner, [inner.ints([-1]), rowCount], { axis: 0, shape: [2] });
    return [reshape(inner, eachQuery, { to, shape: [`T*${queriesAHead}`, 'T'] })];
  });
  const [mask] = choose(graph, { condition: on, yes, no: noMask(graph) }) as [Value];
  return { on, rows, rowAt, mask };
}

function buildNothing(graph: GraphBuilder, anyRows: Value, attention: AttentionShape): Value {
  const { heads, kvHeads, headDim } = attention;
  const shape = [kvHeads, heads / kvHeads, headDim + 1];
  const element = graph.floats([...new Array<number>(headDim).fill(0), MASKED_SCORE], [1, 1, 1, headDim + 1]);
  const to = concat(graph, [dimension(graph, anyRows, 0), graph.ints(shape)], { axis: 0, shape: [4] });
  return expand(graph, element, { to, shape: ['M', ...shape] });
}

/** int64 0, 1, ... up to a length given as int64 [1]. */
function count(graph: GraphBuilder, length: Value, dim: string): Value {
  const end = reshape(graph, length, { to: [], shape: [] });
  return graph.call({ operator: 'Range', inputs: [graph.int(0), end, graph.int(1)] }, 'int64', [dim]);
}

function maskUnless(graph: GraphBuilder, seen: Value): Value {
  return where(graph, seen, graph.floats([0], [1]), graph.floats([MASKED_SCORE], [1]));
}

function noMask(graph: GraphBuilder) {
  return graph.block((inner) => [
    inner.call({ operator: 'Identity', inputs: [inner.floats([0], [1])] }, 'float32', [1]),
  ]);
}
