/**
 * Attention of one row that reads one list of pages: the step of a single conversation, where every node counts. The scores of the
 * pages and of the row itself go through one softmax; nothing has to be mapped back or merged.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { PagedAttentionNode, Value } from '../ir/graph.ts';
import {
  add,
  concat,
  gather,
  multiply,
  multiplyMatrices,
  multiplyTransposed,
  reshape,
  softmax,
  split,
} from '../ir/operators.ts';
import type { StepTables } from './step-tables.ts';

/** [1, 1, heads x headDim] */
export function attendSingleRow(graph: GraphBuilder, node: PagedAttentionNode, tables: StepTables): Value {
  const { heads, kvHeads, headDim, layer, scale } = node;
  const g = heads / kvHeads;
  const { pages } = tables.levels[0] as StepTables['levels'][number];
  const fold = (x: Value, rows: number) =>
    reshape(graph, x, { to: [kvHeads, rows, headDim], shape: [kvHeads, rows, headDim] });
  const read = (pool: Value | undefined) =>
    reshape(graph, gather(graph, pool as Value, pages, 1), {
      to: [kvHeads, -1, headDim],
      shape: [kvHeads, 'N', headDim],
    });
  const queries = fold(node.queries, g);
  const past = multiplyTransposed(graph, {
    left: queries,
    right: read(tables.keyPages[layer]),
    alpha: scale,
    shape: [kvHeads, g, 'N'],
  });
  const own = multiplyTransposed(graph, {
    left: queries,
    right: fold(node.keys, 1),
    alpha: scale,
    shape: [kvHeads, g, 1],
  });
  const scores = add(
    graph,
    concat(graph, [past, own], { axis: -1, shape: [kvHeads, g, 'N+1'] }),
    tables.singleRow.mask,
  );
  const probabilities = softmax(graph, scores, -1);
  const [ofPast, ofOwn] = split(graph, probabilities, {
    widths: tables.singleRow.widths,
    shapes: [
      [kvHeads, g, 'N'],
      [kvHeads, g, 1],
    ],
  }) as [Value, Value];
  const shape = [kvHeads, g, headDim];
  const fromPast = multiplyMatrices(graph, { left: ofPast, right: read(tables.valuePages[layer]), shape });
  const fromOwn = multiply(graph, ofOwn, fold(node.values, 1));
  return reshape(graph, add(graph, fromPast, fromOwn), { to: [1, 1, heads * headDim], shape: [1, 1, heads * headDim] });
}
