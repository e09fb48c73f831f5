/**
 * What attention needs of the step's page tables, worked out once at the top of the graph instead of once a layer: which path the step
 * takes, masks, and the neutral result of a part that is switched off.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Branch, Value } from '../ir/graph.ts';
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
  range,
  reshape,
  where,
} from '../ir/operators.ts';
import {
  type AttentionInputs,
  type AttentionRequest,
  type AttentionShape,
  type ChunkInputs,
  declareInputs,
  type LevelInputs,
} from './step-inputs.ts';

/**
 * Added to scores that a row must not see. Finite: a group that reads nothing then gets a weight of 0 in the merge, where
 * -Infinity minus -Infinity would make NaN. Large: no sum of scores of a sane model comes near it.
 */
const MASKED_SCORE = -1e30;

export interface LevelTables extends LevelInputs {
  /** float32 [G, 1, P x pageSize]: 0 for tokens that the group reads. */
  readonly mask: Value;
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
  /** float32 zeros [M, kvHeads, queries per KV head, 1, headDim] */
  readonly output: Value;
  /** float32 [M, kvHeads, queries per KV head, 1, 1]: the logarithm of a sum that gives no weight. */
  readonly logSum: Value;
}

/** For all other steps. */
export interface PartTables {
  readonly levels: readonly LevelTables[];
  readonly chunk: ChunkTables;
  readonly nothing: NothingRead;
}

export interface StepTables {
  /** bool [1]: one row, no level but the first, no chunk; `singleRow` holds then, else `parts`. */
  readonly isSingleRow: Value;
  readonly singleRow: SingleRowTables;
  readonly parts: PartTables;
  readonly inputs: AttentionInputs;
}

/** Declares the inputs of attention and appends the nodes that prepare them. */
export function buildStepTables(graph: GraphBuilder, request: AttentionRequest): StepTables {
  const inputs = declareInputs(graph, request);
  const pageTokens = dimension(graph, inputs.keyPages[0] as Value, 2);
  const isSingleRow = singleRowFlag(graph, inputs);
  return {
    isSingleRow,
    singleRow: chooseSingleRow(graph, { inputs, isSingleRow, pageTokens }),
    parts: chooseParts(graph, { inputs, isSingleRow, pageTokens }, request.attention),
    inputs,
  };
}

interface TablesPlace {
  readonly inputs: AttentionInputs;
  readonly isSingleRow: Value;
  /** int64 [1] tokens a page */
  readonly pageTokens: Value;
}

function singleRowFlag(graph: GraphBuilder, { levels, chunk }: AttentionInputs): Value {
  const oneRow = equal(graph, dimension(graph, chunk.rowAt, 0), graph.ints([1]));
  const more = levels.slice(1).reduce((any, level) => or(graph, any, level.on), chunk.on);
  return and(graph, oneRow, not(graph, more));
}

function chooseSingleRow(graph: GraphBuilder, { inputs, isSingleRow, pageTokens }: TablesPlace): SingleRowTables {
  const level = inputs.levels[0] as LevelInputs;
  const yes = graph.branch((inner) => {
    const slots = multiply(inner, dimension(inner, level.pages, 1), pageTokens);
    const place = range(inner, add(inner, slots, inner.ints([1])), 'P0*pageSize+1');
    const read = and(inner, less(inner, place, cast(inner, level.tokens, 'int64')), level.on);
    const seen = or(inner, read, equal(inner, place, slots));
    return [maskUnless(inner, seen), concat(inner, [slots, inner.ints([1])], { axis: 0, shape: [2] })];
  });
  const no = graph.branch((inner) => [identity(inner, inner.floats([0], [1])), identity(inner, inner.ints([1, 1]))]);
  const [mask, widths] = choose(graph, { condition: isSingleRow, yes, no }) as [Value, Value];
  return { mask, widths };
}

function chooseParts(graph: GraphBuilder, place: TablesPlace, attention: AttentionShape): PartTables {
  const { levels, chunk } = place.inputs;
  const yes = graph.branch((inner) => {
    const { output, logSum } = nothingRead(inner, chunk.rowAt, attention);
    const masks = levels.map((level) => levelMask(inner, level, place.pageTokens));
    return [output, logSum, chunkMask(inner, chunk, attention), ...masks];
  });
  // Nobody reads them in a step of a single row, but an `If` gives out as many values either way.
  const no = graph.branch((inner) => yes.outputs.map(() => identity(inner, inner.floats([0], [1]))));
  const chosen = choose(graph, { condition: not(graph, place.isSingleRow), yes, no });
  const [output, logSum, ofChunk, ...ofLevels] = chosen as [Value, Value, Value, ...Value[]];
  return {
    levels: levels.map((level, index) => ({ ...level, mask: ofLevels[index] as Value })),
    chunk: { ...chunk, mask: ofChunk },
    nothing: { output, logSum },
  };
}

function levelMask(graph: GraphBuilder, level: LevelInputs, pageTokens: Value): Value {
  const [groups, pagesAGroup] = level.pages.shape as [string, string];
  const yes = graph.branch((inner) => {
    const slots = multiply(inner, dimension(inner, level.pages, 1), pageTokens);
    const slot = range(inner, slots, `${pagesAGroup}*pageSize`);
    const limit = reshape(inner, cast(inner, level.tokens, 'int64'), { to: [-1, 1, 1], shape: [groups, 1, 1] });
    return [maskUnless(inner, less(inner, slot, limit))];
  });
  return choose(graph, { condition: level.on, yes, no: noMask(graph) })[0] as Value;
}

function chunkMask(graph: GraphBuilder, chunk: ChunkInputs, attention: AttentionShape): Value {
  const g = attention.heads / attention.kvHeads;
  const yes = graph.branch((inner) => {
    const rowCount = dimension(inner, chunk.rows, 1);
    const place = range(inner, rowCount, 'T');
    const own = reshape(inner, place, { to: [-1, 1, 1], shape: ['T', 1, 1] });
    const mask = maskUnless(inner, less(inner, place, own));
    const eachQuery = expand(inner, mask, { to: inner.ints([1, g, 1]), shape: ['T', g, 'T'] });
    const to = concat(inner, [inner.ints([-1]), rowCount], { axis: 0, shape: [2] });
    return [reshape(inner, eachQuery, { to, shape: [`T*${g}`, 'T'] })];
  });
  return choose(graph, { condition: chunk.on, yes, no: noMask(graph) })[0] as Value;
}

/** `anyRows` is any value [M]. */
function nothingRead(graph: GraphBuilder, anyRows: Value, attention: AttentionShape): NothingRead {
  const { heads, kvHeads, headDim } = attention;
  const fill = (value: number, width: number) => {
    const shape = [kvHeads, heads / kvHeads, 1, width];
    const to = concat(graph, [dimension(graph, anyRows, 0), graph.ints(shape)], { axis: 0, shape: [5] });
    return expand(graph, graph.floats([value], [1]), { to, shape: ['M', ...shape] });
  };
  return { output: fill(0, headDim), logSum: fill(MASKED_SCORE, 1) };
}

function maskUnless(graph: GraphBuilder, seen: Value): Value {
  return where(graph, seen, graph.floats([0], [1]), graph.floats([MASKED_SCORE], [1]));
}

function noMask(graph: GraphBuilder): Branch {
  return graph.branch((inner) => [identity(inner, inner.floats([0], [1]))]);
}
