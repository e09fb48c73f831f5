/**
 * Attention of one row that reads one list of pages: the step of a single conversation, where every node counts. The scores of the
 * pages and of the row itself go through one softmax; nothing has to be mapped back or merged. Of four ways tried (this one,
 * concatenated keys and values, GroupQueryAttention and MultiHeadAttention over gathered pages) it took the least time.
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
import { cappedScale, capScores } from './part.ts';
import type { LayerTables } from './step-tables.ts';

/** [1, 1, heads x headDim] */
export function attendSingleRow(graph: GraphBuilder, node: PagedAttentionNode, tables: LayerTables): Value {
  const { heads, kvHeads, headDim, layer, scale } = node;
  const alpha = cappedScale(scale, node.softcap);
  const { keyPages, valuePages } = tables.inputs;
  const { firstPages: pages, singleRow } = tables.view;
  const { mask, widths } = singleRow;
  const g = heads / kvHeads;
  const past = `${pages.shape[1]}*pageSize`;
  const fold = (x: Value, rows: number) =>
    reshape(graph, x, { to: [kvHeads, rows, headDim], shape: [kvHeads, rows, headDim] });
  const read = (pool: Value | undefined) =>
    reshape(graph, gather(graph, pool as Value, pages, 1), {
      to: [kvHeads, -1, headDim],
      shape: [kvHeads, past, headDim],
    });
  const left = fold(node.queries, g);
  const ofPast = multiplyTransposed(graph, { left, right: read(keyPages[layer]), alpha, shape: [kvHeads, g, past] });
  const ofOwn = multiplyTransposed(graph, { left, right: fold(node.keys, 1), alpha, shape: [kvHeads, g, 1] });
  const products = concat(graph, [ofPast, ofOwn], { axis: -1, shape: [kvHeads, g, `${past}+1`] });
  const scores = add(graph, capScores(graph, products, node.softcap), mask);
  const shapes = [
    [kvHeads, g, past],
    [kvHeads, g, 1],
  ];
  const [pastWeights, ownWeight] = split(graph, softmax(graph, scores, -1), { widths, shapes }) as [Value, Value];
  const fromPast = multiplyMatrices(graph, { left: pastWeights, right: read(valuePages[layer]), shape: left.shape });
  const merged = add(graph, fromPast, multiply(graph, ownWeight, fold(node.values, 1)));
  return reshape(graph, merged, { to: [1, 1, heads * headDim], shape: [1, 1, heads * headDim] });
}
