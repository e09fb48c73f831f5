import { GraphError } from '../errors.ts';
import type { Analysis } from './analysis.ts';
import { resolveNode } from './attention-node.ts';
import { resolveOperators } from './attention-operators.ts';
import type { ResolvedAttention } from './resolved-attention.ts';

/** One a layer, in order. Throws ONNX_UNSUPPORTED. */
export function resolveAttentions(analysis: Analysis): ResolvedAttention[] {
  return analysis.names.layers.map(({ pastKey }, layer) => {
    const sites = analysis.sites.filter((site) => site.layer === layer);
    const [site] = sites;
    if (site === undefined || sites.length > 1) {
      const message = `${analysis.graph.file}: ${sites.length} places attend to ${pastKey} where one was expected (a Concat with it, products, and one Softmax, or GroupQueryAttention or MultiHeadAttention)`;
      throw new GraphError('ONNX_UNSUPPORTED', message, { file: analysis.graph.file });
    }
    return site.kind === 'node' ? resolveNode(analysis, site) : resolveOperators(analysis, site);
  });
}
