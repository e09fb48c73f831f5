/** What the layers need of the stock inputs, worked out once: the rows of all sequences as one list, masks, and lengths. */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import {
  add,
  and,
  cast,
  concat,
  dimension,
  equal,
  expand,
  less,
  multiply,
  range,
  reshape,
  subtract,
  where,
} from '../ir/operators.ts';
import { stepInputs } from '../step-interface.ts';
import { contiguousInputs } from './contiguous-interface.ts';

/** As large as that of paged attention, and finite for the same reason: a row of padding must not become NaN. */
const MASKED_SCORE = -1e30;

export interface SequenceTables {
  /** int64 [1]: B */
  readonly sequences: Value;
  /** float32 [B, 1, g x S, T]: 0 where the row sees the token. */
  readonly mask: Value;
  /** int32 [B]: tokens of each sequence, less one. */
  readonly lastTokens: Value;
  /** int32 []: T */
  readonly totalTokens: Value;
}

/**
 * Declares the stock inputs and defines, under the names that the decoder reads, its rows: tokens, positions and the rows whose logits
 * are kept. `g`: query heads of a KV head.
 */
export function buildSequenceTables(graph: GraphBuilder, g: number): SequenceTables {
  const ids = graph.input(contiguousInputs.ids, 'int64', ['B', 'S']);
  const mask = graph.input(contiguousInputs.mask, 'int64', ['B', 'T']);
  const positions = graph.input(contiguousInputs.positions, 'int64', ['B', 'S']);
  const kept = graph.input(contiguousInputs.keptLogits, 'int64', []);
  const sequences = dimension(graph, ids, 0);
  const rows = dimension(graph, ids, 1);
  const total = dimension(graph, mask, 1);
  flatten(graph, ids, stepInputs.tokens);
  flatten(graph, positions, stepInputs.positions);
  defineHeadRows(graph, { sequences, rows, kept });
  return {
    sequences,
    mask: attentionMask(graph, { mask, rows, total, g }),
    lastTokens: lastTokens(graph, mask),
    totalTokens: reshape(graph, cast(graph, total, 'int32'), { to: [], shape: [] }),
  };
}

function flatten(graph: GraphBuilder, x: Value, name: string): void {
  cast(graph, reshape(graph, x, { to: [-1], shape: ['M'] }), 'int32', name);
}

/** Row b x S + s of every sequence b and each of its last kept tokens s. */
function defineHeadRows(graph: GraphBuilder, of: { sequences: Value; rows: Value; kept: Value }): void {
  const wanted = reshape(graph, of.kept, { to: [1], shape: [1] });
  const count = where(graph, equal(graph, wanted, graph.ints([0])), of.rows, wanted);
  const first = subtract(graph, of.rows, count);
  const inSequence = add(graph, range(graph, count, 'K'), first);
  const starts = multiply(graph, range(graph, of.sequences, 'B'), of.rows);
  const row = add(graph, reshape(graph, starts, { to: [-1, 1], shape: ['B', 1] }), inSequence);
  cast(graph, reshape(graph, row, { to: [-1], shape: ['H'] }), 'int32', stepInputs.headRows);
}

/** Token t is seen by row s when t <= P + s and it is no padding. The g heads that are folded into rows see the same. */
function attentionMask(graph: GraphBuilder, of: { mask: Value; rows: Value; total: Value; g: number }): Value {
  const past = subtract(graph, of.total, of.rows);
  const last = add(graph, range(graph, of.rows, 'S'), past);
  const limit = reshape(graph, last, { to: [-1, 1], shape: ['S', 1] });
  const isBefore = less(graph, range(graph, of.total, 'T'), add(graph, limit, graph.ints([1])));
  const isToken = reshape(graph, cast(graph, of.mask, 'bool'), { to: [0, 1, 1, -1], shape: ['B', 1, 1, 'T'] });
  const seen = and(graph, isToken, isBefore);
  const scores = where(graph, seen, graph.floats([0], [1]), graph.floats([MASKED_SCORE], [1]));
  const each = expand(graph, reshape(graph, scores, { to: addedAxis(graph, of), shape: ['B', 1, 1, 'S', 'T'] }), {
    to: graph.ints([1, 1, of.g, 1, 1]),
    shape: ['B', 1, of.g, 'S', 'T'],
  });
  const to = concat(graph, [graph.ints([0, 1, -1]), of.total], { axis: 0, shape: [4] });
  return reshape(graph, each, { to, shape: ['B', 1, `${of.g}*S`, 'T'] });
}

/** [-1, 1, 1, S, T] */
function addedAxis(graph: GraphBuilder, of: { rows: Value; total: Value }): Value {
  return concat(graph, [graph.ints([-1, 1, 1]), of.rows, of.total], { axis: 0, shape: [5] });
}

function lastTokens(graph: GraphBuilder, mask: Value): Value {
  const attributes = { keepdims: { int: 0 } };
  const call = { operator: 'ReduceSum', inputs: [mask, graph.ints([-1])], attributes };
  const tokens = graph.call(call, 'int64', ['B']);
  return cast(graph, subtract(graph, tokens, graph.ints([1])), 'int32');
}
