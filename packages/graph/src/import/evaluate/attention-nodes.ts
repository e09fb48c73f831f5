/** Extents of attention nodes that are one operator. */
import { intOf } from '../source-graph.ts';
import { type OperatorTable, shape } from './operator.ts';

export const attentionNodes: OperatorTable = {
  'com.microsoft.GroupQueryAttention': {
    infer({ node, inputs: [query, key] }) {
      if (query?.dims.length !== 3) return undefined;
      const [batch, rows, width] = query.dims as [number, number, number];
      const [heads, kvHeads] = [intOf(node, 'num_heads', 0), intOf(node, 'kv_num_heads', 0)];
      const own = key === undefined ? (width * heads) / (heads + 2 * kvHeads) : width;
      return Number.isInteger(own) ? [shape(query.type, [batch, rows, own])] : undefined;
    },
  },
  'com.microsoft.MultiHeadAttention': {
    infer: ({ inputs: [query] }) => (query?.dims.length === 3 ? [query] : undefined),
  },
};
