/**
 * Attention of one row that reads one list of pages: the step of a single conversation, where every node counts. The scores of the
 * pages and of the row itself go through one softmax; nothing has to be mapped back or merged. Of four ways tried (this one,
 * concatenated keys and values, GroupQueryAttention and MultiHeadAttention over gathered pages) it took the least time.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Dim, PagedAttentionNode, Value } from '../ir/graph.ts';
import {
  add,
  concat,
  multiply,
  multiplyMatrices,
  multiplyTransposed,
  reshape,
  softmax,
  split,
} from '../ir/operators.ts';
import { type LayerPools, type Pool, readPages, scaleProducts } from './page-format.ts';
import { cappedScale, capScores } from './part.ts';
import type { LayerTables } from './step-tables.ts';

/** [1, 1, heads x headDim] */
export function attendSingleRow(graph: GraphBuilder, node: PagedAttentionNode, tables: LayerTables): Value {
  const { heads, kvHeads, headDim, layer, scale } = node;
  const alpha = cappedScale(scale, node.softcap);
  const pools = tables.inputs.pools[layer] as LayerPools;
  const { firstPages: pages, singleRow } = tables.view;
  const { mask, widths } = singleRow;
  const g = heads / kvHeads;
  const past = `${pages.shape[1]}*pageSize`;
  const fold = (x: Value, rows: number) =>
    reshape(graph, x, { to: [kvHeads, rows, headDim], shape: [kvHeads, rows, headDim] });
  const read = (pool: Pool) => {
    const { rows, scales } = readPages(graph, pool, pages, past);
    const flat = (x: Value, to: readonly number[], shape: readonly Dim[]) => reshape(graph, x, { to, shape });
    return {
      rows: flat(rows, [kvHeads, -1, headDim], [kvHeads, past, headDim]),
      scales: scales && flat(scales, [kvHeads, 1, -1], [kvHeads, 1, past]),
    };
  };
  const [keys, values] = [read(pools.keys), read(pools.values)];
  const left = fold(node.queries, g);
  const pastProducts = multiplyTransposed(graph, { left, right: keys.rows, alpha, shape: [kvHeads, g, past] });
  const ofPast = scaleProducts(graph, pastProducts, keys.scales);
  const ofOwn = multiplyTransposed(graph, { left, right: fold(node.keys, 1), alpha, shape: [kvHeads, g, 1] });
  const products = concat(graph, [ofPast, ofOwn], { axis: -1, shape: [kvHeads, g, `${past}+1`] });
  const scores = add(graph, capScores(graph, products, node.softcap), mask);
  const shapes = [
    [kvHeads, g, past],
    [kvHeads, g, 1],
  ];
  const [pastWeights, ownWeight] = split(graph, softmax(graph, scores, -1), { widths, shapes }) as [Value, Value];
  const scaledWeights = scaleProducts(graph, pastWeights, values.scales);
  const fromPast = multiplyMatrices(graph, { left: scaledWeights, right: values.rows, shape: left.shape });
  const merged = add(graph, fromPast, multiply(graph, ownWeight, fold(node.values, 1)));
  return reshape(graph, merged, { to: [1, 1, heads * headDim], shape: [1, 1, heads * headDim] });
}
