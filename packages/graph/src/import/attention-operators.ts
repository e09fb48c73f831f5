/**
 * Attention written with plain operators, recognised by what it computes and not by how it is written: the operators between queries, keys,
 * values and the output are evaluated with random numbers at several sizes and compared with softmax(scale x Q K^T, causal) V. Scale, soft cap
 * and window are read off the evaluation. So repeated KV heads, masks and scalings in any style of any exporter are one case.
 */
import type { Analysis, OperatorSite } from './analysis.ts';
import { AttentionTrial, type TrialNames } from './attention-trial.ts';
import type { PastLayer } from './interface.ts';
import { notAttention, type ResolvedAttention, type RowsView, viewOf, widthOf } from './resolved-attention.ts';
import type { SourceNode } from './source-graph.ts';
import { intOf } from './source-graph.ts';

const PRODUCTS = new Set(['MatMul', 'FusedMatMul']);
const PASS_THROUGH = new Set(['Identity', 'Cast']);

/** Throws ONNX_UNSUPPORTED. */
export function resolveOperators(analysis: Analysis, site: OperatorSite): ResolvedAttention {
  const { headDim, kvHeads, layers } = analysis.names;
  const names = layers[site.layer] as PastLayer;
  const keys = newRows(analysis, site, { present: names.presentKey, past: names.pastKey });
  const values = newRows(analysis, site, { present: names.presentValue, past: names.pastValue });
  const inside = nodesInside(analysis, site);
  const queries = findQueries(analysis, site, { inside, known: new Set([keys.name, values.name]) });
  const width = widthOf(queries);
  const heads = width / headDim;
  if (!Number.isInteger(heads) || heads % kvHeads !== 0 || queries.dims.at(-1) !== headDim) {
    throw notAttention(analysis, site, `queries with heads of ${headDim}, a multiple of ${kvHeads} of them`);
  }
  const output = viewOf(analysis, site.output);
  if (widthOf(output) !== width)
    throw notAttention(analysis, site, `an output of ${width} columns, as the queries have`);
  const softmaxes = [...inside].filter(({ operator }) => operator === 'Softmax');
  const [softmax] = softmaxes;
  if (softmax === undefined || softmaxes.length > 1) throw notAttention(analysis, site, 'one Softmax over the scores');
  const products = [...inside].filter((node) => node !== site.node && PRODUCTS.has(node.operator));
  const [scores] = products;
  if (scores === undefined || products.length > 1)
    throw notAttention(analysis, site, 'one product of queries and keys');
  const trialNames: TrialNames = { ...names, keys: keys.name, values: values.name, queries, output, softmax, scores };
  const trial = new AttentionTrial(analysis, trialNames, { heads, inside });
  const found = trial.identify();
  if (typeof found === 'string') throw notAttention(analysis, site, found);
  return { layer: site.layer, heads, ...found, queries, keys, values, rotation: undefined, output };
}

/** The new rows of K or V: what is appended to the past. */
function newRows(analysis: Analysis, site: OperatorSite, names: { present: string; past: string }): RowsView {
  const { producers } = analysis.probes;
  const through = (name: string) => {
    let at = name;
    for (
      let node = producers.get(at);
      node !== undefined && PASS_THROUGH.has(node.operator);
      node = producers.get(at)
    ) {
      at = node.inputs[0] as string;
    }
    return at;
  };
  const node = producers.get(through(names.present));
  const axis = node === undefined ? 0 : intOf(node, 'axis', 0);
  const isConcat = node?.operator === 'Concat' && node.inputs.length === 2 && (axis === 2 || axis === -2);
  const added = node?.inputs[1];
  if (!isConcat || added === undefined || through(node.inputs[0] as string) !== names.past) {
    throw notAttention(analysis, site, `${names.present} to be a Concat of ${names.past} and the new rows`);
  }
  const view = viewOf(analysis, added);
  const { kvHeads, headDim } = analysis.names;
  if (String(view.dims) !== String([1, kvHeads, 'M', headDim])) {
    throw notAttention(analysis, site, `new rows [1, ${kvHeads}, rows, ${headDim}] for ${names.present}`);
  }
  return view;
}

/** The nodes between past and output. */
function nodesInside(analysis: Analysis, site: OperatorSite): ReadonlySet<SourceNode> {
  const inside = new Set<SourceNode>([site.node]);
  for (const node of inside) {
    for (const name of node.inputs) {
      const producer = analysis.probes.producers.get(name);
      if (producer !== undefined && analysis.layerOf(name) === site.layer) inside.add(producer);
    }
  }
  return inside;
}

function findQueries(
  analysis: Analysis,
  site: OperatorSite,
  { inside, known }: { inside: ReadonlySet<SourceNode>; known: ReadonlySet<string> },
): RowsView {
  const found = new Set<string>();
  for (const node of inside) {
    for (const name of node.inputs) {
      if (name === '' || known.has(name) || analysis.layerOf(name) !== undefined) continue;
      if (analysis.fact(name).row !== undefined && isOfTokens(analysis, name)) found.add(name);
    }
  }
  const [queries] = found;
  if (queries === undefined || found.size > 1) {
    throw notAttention(
      analysis,
      site,
      `the queries to be all that it reads of the step (it reads ${[...found].join(', ') || 'nothing'})`,
    );
  }
  return viewOf(analysis, queries);
}

function isOfTokens(analysis: Analysis, name: string): boolean {
  const { evaluation } = analysis.probes.all[0] as (typeof analysis.probes.all)[number];
  return evaluation.elements(name) === undefined;
}
