/**
 * What attention needs of the step's page tables, worked out once at the top of the graph instead of once a layer: which path the step
 * takes, masks, and the neutral result of a part that is switched off.
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
  equal,
  expand,
  identity,
  less,
  multiply,
  not,
  or,
  reshape,
  where,
} from '../ir/operators.ts';
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
  /** int32 [G] */
  readonly tokens: Value;
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

/** For a step of one row that reads one list of pages; meaningless in other steps. */
export interface SingleRowTables {
  /** bool [1]: the step is such a one. */
  readonly on: Value;
  /** float32 [P x pageSize + 1]: 0 for tokens that the row reads and for itself, which comes last. */
  readonly mask: Value;
  /** int64 [2]: P x pageSize, 1 */
  readonly widths: Value;
}

/** What a part gives for rows that read nothing in it. */
export interface NothingRead {
  /** float32 zeros [M, kvHeads, queries per KV head, 1, headDim] */
  readonly output: Value;
  /** float32 [M, kvHeads, queries per KV head, 1, 1]: the logarithm of a sum that gives no weight. */
  readonly logSum: Value;
}

export interface StepTables {
  readonly singleRow: SingleRowTables;
  readonly levels: readonly LevelTables[];
  readonly chunk: ChunkTables;
  readonly nothing: NothingRead;
  readonly keyPages: readonly Value[];
  readonly valuePages: readonly Value[];
}

export type AttentionShape = Pick<PagedAttentionNode, 'heads' | 'kvHeads' | 'headDim'>;

export interface TablesRequest {
  readonly levels: number;
  readonly layers: number;
  readonly attention: AttentionShape;
}

type LevelInputs = Omit<LevelTables, 'mask'>;
type ChunkInputs = Omit<ChunkTables, 'mask'>;

/** Declares the inputs of attention and appends the nodes that prepare them. */
export function buildStepTables(graph: GraphBuilder, request: TablesRequest): StepTables {
  const { kvHeads, headDim } = request.attention;
  const pool = [kvHeads, 'pages', 'pageSize', headDim];
  const pools = (name: (layer: number) => string) =>
    Array.from({ length: request.layers }, (_, layer) => graph.input(name(layer), 'float32', pool));
  const levels = Array.from({ length: request.levels }, (_, level) => levelInputs(graph, level));
  const chunk = chunkInputs(graph);
  const keyPages = pools(stepInputs.keyPages);
  const valuePages = pools(stepInputs.valuePages);
  const pageTokens = dimension(graph, keyPages[0] as Value, 2);
  const on = isSingleRow(graph, levels, chunk);
  const [first] = levels as [LevelInputs];
  // Only the tables of the path that the step takes are made; the others get a stand-in of one element.
  const yes = graph.block((inner) => {
    const single = singleRowTables(inner, first, pageTokens);
    const standIn = () => identity(inner, inner.floats([0], [1]));
    return [single.mask, single.widths, standIn(), standIn(), standIn(), ...levels.map(standIn)];
  });
  const no = graph.block((inner) => {
    const nothing = nothingRead(inner, chunk.rowAt, request.attention);
    const masks = levels.map((level) => levelMask(inner, level, pageTokens));
    const chunks = chunkMask(inner, chunk, request.attention);
    return [
      identity(inner, inner.floats([0], [1])),
      identity(inner, inner.ints([1])),
      nothing.output,
      nothing.logSum,
      chunks,
      ...masks,
    ];
  });
  const [mask, widths, output, logSum, chunkMasks, ...masks] = choose(graph, { condition: on, yes, no, like: no }) as [
    Value,
    Value,
    Value,
    Value,
    Value,
  ];
  return {
    singleRow: { on, mask, widths },
    levels: levels.map((level, index) => ({ ...level, mask: masks[index] as unknown as Value })),
    chunk: { ...chunk, mask: chunkMasks },
    nothing: { output, logSum },
    keyPages,
    valuePages,
  };
}

function levelInputs(graph: GraphBuilder, level: number): LevelInputs {
  const [groups, rowsAGroup, pagesAGroup] = [`G${level}`, `R${level}`, `P${level}`];
  return {
    on: graph.input(stepInputs.levelOn(level), 'bool', [1]),
    rows: graph.input(stepInputs.levelRows(level), 'int32', [groups, rowsAGroup]),
    pages: graph.input(stepInputs.levelPages(level), 'int32', [groups, pagesAGroup]),
    tokens: graph.input(stepInputs.levelTokens(level), 'int32', [groups]),
    rowAt: graph.input(stepInputs.levelRowAt(level), 'int32', ['M']),
  };
}

function chunkInputs(graph: GraphBuilder): ChunkInputs {
  return {
    on: graph.input(stepInputs.chunkOn, 'bool', [1]),
    rows: graph.input(stepInputs.chunkRows, 'int32', ['C', 'T']),
    rowAt: graph.input(stepInputs.chunkRowAt, 'int32', ['M']),
  };
}

/** One row, no level but the first, no chunk: the step of a single conversation. */
function isSingleRow(graph: GraphBuilder, levels: readonly LevelInputs[], chunk: ChunkInputs): Value {
  const oneRow = equal(graph, dimension(graph, chunk.rowAt, 0), graph.ints([1]));
  const more = levels.slice(1).reduce((any, level) => or(graph, any, level.on), chunk.on);
  return and(graph, oneRow, not(graph, more));
}

function singleRowTables(graph: GraphBuilder, level: LevelInputs, pageTokens: Value): Omit<SingleRowTables, 'on'> {
  const slots = multiply(graph, dimension(graph, level.pages, 1), pageTokens);
  const place = count(graph, add(graph, slots, graph.ints([1])), 'N+1');
  const read = less(graph, place, cast(graph, level.tokens, 'int64'));
  return {
    mask: maskUnless(graph, or(graph, read, equal(graph, place, slots))),
    widths: concat(graph, [slots, graph.ints([1])], { axis: 0, shape: [2] }),
  };
}

function levelMask(graph: GraphBuilder, level: LevelInputs, pageTokens: Value): Value {
  const [groups, pagesAGroup] = level.pages.shape as [string, string];
  const yes = graph.block((inner) => {
    const slots = multiply(inner, dimension(inner, level.pages, 1), pageTokens);
    const slot = count(inner, slots, `${pagesAGroup}*pageSize`);
    const limit = reshape(inner, cast(inner, level.tokens, 'int64'), { to: [-1, 1, 1], shape: [groups, 1, 1] });
    return [maskUnless(inner, less(inner, slot, limit))];
  });
  return choose(graph, { condition: level.on, yes, no: noMask(graph) })[0] as Value;
}

function chunkMask(graph: GraphBuilder, chunk: ChunkInputs, attention: AttentionShape): Value {
  const queriesAHead = attention.heads / attention.kvHeads;
  const yes = graph.block((inner) => {
    const rowCount = dimension(inner, chunk.rows, 1);
    const place = count(inner, rowCount, 'T');
    const own = reshape(inner, place, { to: [-1, 1, 1], shape: ['T', 1, 1] });
    const mask = maskUnless(inner, less(inner, place, own));
    const eachQuery = expand(inner, mask, { to: inner.ints([1, queriesAHead, 1]), shape: ['T', queriesAHead, 'T'] });
    const to = concat(inner, [inner.ints([-1]), rowCount], { axis: 0, shape: [2] });
    return [reshape(inner, eachQuery, { to, shape: [`T*${queriesAHead}`, 'T'] })];
  });
  return choose(graph, { condition: chunk.on, yes, no: noMask(graph) })[0] as Value;
}

function nothingRead(graph: GraphBuilder, anyRows: Value, attention: AttentionShape): NothingRead {
  const { heads, kvHeads, headDim } = attention;
  const fill = (value: number, width: number) => {
    const shape = [kvHeads, heads / kvHeads, 1, width];
    const to = concat(graph, [dimension(graph, anyRows, 0), graph.ints(shape)], { axis: 0, shape: [5] });
    return expand(graph, graph.floats([value], [1]), { to, shape: ['M', ...shape] });
  };
  return { output: fill(0, headDim), logSum: fill(MASKED_SCORE, 1) };
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
  return graph.block((inner) => [identity(inner, inner.floats([0], [1]))]);
}
