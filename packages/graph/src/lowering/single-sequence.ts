/**
 * Attention of a step whose rows are one chunk of one sequence: the prefill of a prompt. Pages of its past and the chunk's own rows go through
 * one fused operator, which knows that a row sees the rows before it. With 256 rows over 1,024 tokens of past it takes two thirds of the time
 * of products, masks and softmax apart, and it needs no masks of rows x tokens.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { PagedAttentionNode, Value } from '../ir/graph.ts';
import {
  add,
  and,
  cast,
  dimension,
  equal,
  multiply,
  not,
  or,
  reshape,
  subtract,
  transpose,
  where,
} from '../ir/operators.ts';
import { fusesChunk } from '../step-interface.ts';
import { type LayerPools, type Pool, readPages } from './page-format.ts';
import type { AttentionShape, ChunkInputs, LevelInputs, ViewInputs } from './step-inputs.ts';

/** For a step of one chunk of one sequence. */
export interface SingleSequenceTables {
  /** bool [1] */
  readonly holds: Value;
  /** int32 [1] place of the last row in its sequence. */
  readonly lastPlace: Value;
  /** int32 scalar: tokens of past and chunk. */
  readonly totalTokens: Value;
}

/** Undefined where the fused operator cannot be used (`fusesChunk`). */
export function singleSequenceTables(
  graph: GraphBuilder,
  view: ViewInputs,
  chunk: ChunkInputs,
  shape: AttentionShape,
): SingleSequenceTables | undefined {
  if (!fusesChunk(shape, view.window)) return undefined;
  const [first, ...others] = view.levels as [LevelInputs, ...LevelInputs[]];
  const rowCount = dimension(graph, chunk.rowAt, 0);
  const one = graph.ints([1]);
  const isOneChunk = and(
    graph,
    chunk.on,
    and(
      graph,
      equal(graph, dimension(graph, chunk.rows, 0), one),
      equal(graph, dimension(graph, chunk.rows, 1), rowCount),
    ),
  );
  const isOneGroup = and(
    graph,
    equal(graph, dimension(graph, first.rows, 0), one),
    equal(graph, dimension(graph, first.rows, 1), rowCount),
  );
  const more = others.reduce(
    (any: Value | undefined, level) => (any === undefined ? level.on : or(graph, any, level.on)),
    undefined,
  );
  const reads = or(graph, not(graph, first.on), isOneGroup);
  const alone = more === undefined ? reads : and(graph, reads, not(graph, more));
  const groupTokens = graph.call(
    {
      operator: 'ReduceMax',
      inputs: [cast(graph, first.tokens, 'int64'), graph.ints([0])],
      attributes: { keepdims: { int: 1 } },
    },
    'int64',
    [1],
  );
  const pastTokens = where(graph, first.on, groupTokens, graph.ints([0]));
  const total = add(graph, pastTokens, rowCount);
  return {
    holds: and(graph, isOneChunk, alone),
    lastPlace: cast(graph, subtract(graph, total, one), 'int32'),
    totalTokens: cast(graph, reshape(graph, total, { to: [], shape: [] }), 'int32'),
  };
}

/** [1, M, heads x headDim] */
export function attendSingleSequence(
  graph: GraphBuilder,
  node: PagedAttentionNode,
  given: { readonly pools: LayerPools; readonly pages: Value; readonly sequence: SingleSequenceTables },
): Value {
  const { heads, kvHeads, headDim, scale, softcap } = node;
  const { pools, pages } = given;
  const past = `${pages.shape[1]}*pageSize`;
  const shape = [1, kvHeads, past, headDim];
  const read = (pool: Pool) => {
    const { rows, scales } = readPages(graph, pool, pages, past);
    // Scales of products cannot be passed in, so they go into the rows.
    const scaled = scales === undefined ? rows : multiply(graph, rows, transpose(graph, scales, [0, 1, 3, 2]));
    return reshape(graph, scaled, { to: [1, kvHeads, -1, headDim], shape });
  };
  const { lastPlace, totalTokens } = given.sequence;
  const attended = graph.declare('attended', 'float32', node.queries.shape);
  const present = () => graph.declare('present', 'float32', [1, kvHeads, 'total', headDim]);
  graph.append(
    {
      operator: 'GroupQueryAttention',
      domain: 'com.microsoft',
      inputs: [node.queries, node.keys, node.values, read(pools.keys), read(pools.values), lastPlace, totalTokens],
      attributes: {
        num_heads: { int: heads },
        kv_num_heads: { int: kvHeads },
        scale: { float: scale },
        ...(softcap === undefined ? {} : { softcap: { float: softcap } }),
      },
    },
    [attended, present(), present()],
  );
  return attended;
}
