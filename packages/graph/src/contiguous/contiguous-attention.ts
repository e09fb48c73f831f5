/** Attention of B sequences, S rows each, over keys and values that lie one after the other: the past, then the new rows. */

import { GraphError } from '../errors.ts';
import type { GraphBuilder } from '../ir/builder.ts';
import type { PagedAttentionNode, Value } from '../ir/graph.ts';
import { add, concat, multiplyMatrices, multiplyTransposed, reshape, softmax, transpose } from '../ir/operators.ts';
import { cappedScale, capScores } from '../lowering/part.ts';
import { contiguousInputs, contiguousOutputs } from './contiguous-interface.ts';
import type { SequenceTables } from './sequence-tables.ts';

export type ContiguousAttention = 'plain' | 'fused';

/** Appends the attention of one layer and declares its past and present. */
export function attendContiguous(
  graph: GraphBuilder,
  node: PagedAttentionNode,
  place: { readonly tables: SequenceTables; readonly attention: ContiguousAttention },
): void {
  const { kvHeads, headDim, layer } = node;
  const past = ['batch_size', kvHeads, 'past_sequence_length', headDim];
  const layerPast = {
    keys: graph.input(contiguousInputs.pastKeys(layer), 'float32', past),
    values: graph.input(contiguousInputs.pastValues(layer), 'float32', past),
  };
  if (place.attention === 'plain') attendPlain(graph, node, { tables: place.tables, past: layerPast });
  else attendFused(graph, node, { tables: place.tables, past: layerPast });
}

interface LayerPlace {
  readonly tables: SequenceTables;
  readonly past: { readonly keys: Value; readonly values: Value };
}

/** Products and a softmax, with the mask as it is given: the definition, and so the oracle. */
function attendPlain(graph: GraphBuilder, node: PagedAttentionNode, { tables, past }: LayerPlace): void {
  const { heads, kvHeads, headDim, layer } = node;
  const g = heads / kvHeads;
  const extended = (rows: Value, before: Value, name: string) => {
    const bySequence = bySequences(graph, rows, { tables, heads: kvHeads, headDim });
    const byHead = transpose(graph, bySequence, [0, 2, 1, 3]);
    const shape = ['batch_size', kvHeads, 'total_sequence_length', headDim];
    const inputs = [before, byHead];
    const all = graph.call({ operator: 'Concat', inputs, attributes: { axis: { int: 2 } } }, 'float32', shape, name);
    graph.output(all);
    return all;
  };
  const keys = extended(node.keys, past.keys, contiguousOutputs.keys(layer));
  const values = extended(node.values, past.values, contiguousOutputs.values(layer));
  // The g query heads of a KV head lie together, so that one product serves them all: [B, kvHeads, g x S, headDim].
  const byHead = transpose(graph, bySequences(graph, node.queries, { tables, heads, headDim }), [0, 2, 1, 3]);
  const folded = ['batch_size', kvHeads, `${g}*sequence_length`, headDim];
  const toFolded = concat(graph, [tables.sequences, graph.ints([kvHeads, -1, headDim])], { axis: 0, shape: [4] });
  const queries = reshape(graph, byHead, { to: toFolded, shape: folded });
  const scoreShape = ['batch_size', kvHeads, `${g}*sequence_length`, 'total_sequence_length'];
  const alpha = cappedScale(node.scale, node.softcap);
  const products = multiplyTransposed(graph, { left: queries, right: keys, alpha, shape: scoreShape });
  const scores = capScores(graph, products, node.softcap);
  const weights = softmax(graph, add(graph, scores, tables.masks.get(node.window) as Value), -1);
  const attended = multiplyMatrices(graph, { left: weights, right: values, shape: folded });
  const toHeads = concat(graph, [tables.sequences, graph.ints([heads, -1, headDim])], { axis: 0, shape: [4] });
  const unfolded = reshape(graph, attended, { to: toHeads, shape: ['batch_size', heads, 'sequence_length', headDim] });
  const rows = transpose(graph, unfolded, [0, 2, 1, 3]);
  const call = { operator: 'Reshape', inputs: [rows, graph.ints([1, -1, heads * headDim])] } as const;
  graph.append(call, [node.output]);
}

/** One contrib operator a layer, as newer exports have it. It takes padding behind a sequence only, so the mask must be all ones. */
function attendFused(graph: GraphBuilder, node: PagedAttentionNode, { tables, past }: LayerPlace): void {
  const { heads, kvHeads, headDim, layer } = node;
  if (node.window !== undefined || node.softcap !== undefined) {
    const message = 'option attention "fused" has neither windows nor score caps, which this model needs: use "plain"';
    throw new GraphError('OPTION_INVALID', message);
  }
  const wide = (rows: Value, count: number) => {
    const to = concat(graph, [tables.sequences, graph.ints([-1, count * headDim])], { axis: 0, shape: [3] });
    return reshape(graph, rows, { to, shape: ['batch_size', 'sequence_length', count * headDim] });
  };
  const present = ['batch_size', kvHeads, 'total_sequence_length', headDim];
  const keys: Value = { name: contiguousOutputs.keys(layer), type: 'float32', shape: present };
  const values: Value = { name: contiguousOutputs.values(layer), type: 'float32', shape: present };
  const attended = graph.declare('attended', 'float32', ['batch_size', 'sequence_length', heads * headDim]);
  const inputs = [
    wide(node.queries, heads),
    wide(node.keys, kvHeads),
    wide(node.values, kvHeads),
    past.keys,
    past.values,
    tables.lastTokens,
    tables.totalTokens,
  ];
  const attributes = {
    num_heads: { int: heads },
    kv_num_heads: { int: kvHeads },
    scale: { float: node.scale },
  };
  const call = { operator: 'GroupQueryAttention', domain: 'com.microsoft', inputs, attributes } as const;
  graph.append(call, [attended, keys, values]);
  graph.output(keys);
  graph.output(values);
  graph.append({ operator: 'Reshape', inputs: [attended, graph.ints([1, -1, heads * headDim])] }, [node.output]);
}

/** [1, B x S, heads x headDim] -> [B, S, heads, headDim] */
function bySequences(
  graph: GraphBuilder,
  rows: Value,
  of: { readonly tables: SequenceTables; readonly heads: number; readonly headDim: number },
): Value {
  const to = concat(graph, [of.tables.sequences, graph.ints([-1, of.heads, of.headDim])], { axis: 0, shape: [4] });
  return reshape(graph, rows, { to, shape: ['batch_size', 'sequence_length', of.heads, of.headDim] });
}
