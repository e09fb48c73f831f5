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
  /** float32 [B, 1, g x S, T] for each window that a layer sees through (undefined: all before it): 0 where the row sees the token. */
  readonly masks: ReadonlyMap<number | undefined, Value>;
  /** int32 [B]: tokens of each sequence, less one. */
  readonly lastTokens: Value;
  /** int32 []: T */
  readonly totalTokens: Value;
}

/**
 * Declares the stock inputs and defines, under the names that the decoder reads, its rows: tokens, positions and the rows whose logits
 * are kept. `g`: query heads of a KV head.
 */
export function buildSequenceTables(
  graph: GraphBuilder,
  { g, windows }: { readonly g: number; readonly windows: ReadonlySet<number | undefined> },
): SequenceTables {
  const ids = graph.input(contiguousInputs.ids, 'int64', ['batch_size', 'sequence_length']);
  const mask = graph.input(contiguousInputs.mask, 'int64', ['batch_size', 'total_sequence_length']);
  const positions = graph.input(contiguousInputs.positions, 'int64', ['batch_size', 'sequence_length']);
  const kept = graph.input(contiguousInputs.keptLogits, 'int64', []);
  const sequences = dimension(graph, ids, 0);
  const rows = dimension(graph, ids, 1);
  const total = dimension(graph, mask, 1);
  flatten(graph, ids, stepInputs.tokens);
  flatten(graph, positions, stepInputs.positions);
  defineHeadRows(graph, { sequences, rows, kept });
  return {
    sequences,
    masks: new Map([...windows].map((window) => [window, attentionMask(graph, { mask, rows, total, g, window })])),
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
  const starts = multiply(graph, range(graph, of.sequences, 'batch_size'), of.rows);
  const row = add(graph, reshape(graph, starts, { to: [-1, 1], shape: ['batch_size', 1] }), inSequence);
  cast(graph, reshape(graph, row, { to: [-1], shape: ['H'] }), 'int32', stepInputs.headRows);
}

interface MaskParts {
  readonly mask: Value;
  readonly rows: Value;
  readonly total: Value;
  readonly g: number;
  readonly window: number | undefined;
}

/**
 * Token t is seen by row s when it is no padding and P + s - window < t <= P + s. The g heads that are folded into rows see the same.
 */
function attentionMask(graph: GraphBuilder, of: MaskParts): Value {
  const past = subtract(graph, of.total, of.rows);
  const last = add(graph, range(graph, of.rows, 'sequence_length'), past);
  const limit = reshape(graph, last, { to: [-1, 1], shape: ['sequence_length', 1] });
  const token = range(graph, of.total, 'total_sequence_length');
  const isBefore = less(graph, token, add(graph, limit, graph.ints([1])));
  const isNear =
    of.window === undefined ? isBefore : less(graph, subtract(graph, limit, token), graph.ints([of.window]));
  const isToken = reshape(graph, cast(graph, of.mask, 'bool'), {
    to: [0, 1, 1, -1],
    shape: ['batch_size', 1, 1, 'total_sequence_length'],
  });
  const seen = and(graph, isToken, and(graph, isBefore, isNear));
  const scores = where(graph, seen, graph.floats([0], [1]), graph.floats([MASKED_SCORE], [1]));
  const each = expand(
    graph,
    reshape(graph, scores, {
      to: addedAxis(graph, of),
      shape: ['batch_size', 1, 1, 'sequence_length', 'total_sequence_length'],
    }),
    {
      to: graph.ints([1, 1, of.g, 1, 1]),
      shape: ['batch_size', 1, of.g, 'sequence_length', 'total_sequence_length'],
    },
  );
  const to = concat(graph, [graph.ints([0, 1, -1]), of.total], { axis: 0, shape: [4] });
  return reshape(graph, each, { to, shape: ['batch_size', 1, `${of.g}*sequence_length`, 'total_sequence_length'] });
}

/** [-1, 1, 1, S, T] */
function addedAxis(graph: GraphBuilder, of: { rows: Value; total: Value }): Value {
  return concat(graph, [graph.ints([-1, 1, 1]), of.rows, of.total], { axis: 0, shape: [5] });
}

function lastTokens(graph: GraphBuilder, mask: Value): Value {
  const attributes = { keepdims: { int: 0 } };
  const call = { operator: 'ReduceSum', inputs: [mask, graph.ints([-1])], attributes };
  const tokens = graph.call(call, 'int64', ['batch_size']);
  return cast(graph, subtract(graph, tokens, graph.ints([1])), 'int32');
}
