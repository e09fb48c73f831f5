/** From what was read of an export to the paged graph, in memory. */
import type { KvType, MatrixFormat, ModelShape } from '../compiled-model.ts';
import { GraphError } from '../errors.ts';
import { GraphBuilder } from '../ir/builder.ts';
import type { Graph } from '../ir/graph.ts';
import { lowerPagedAttention } from '../lowering/paged-attention.ts';
import { windowsOf } from '../lowering/step-inputs.ts';
import { Analysis } from './analysis.ts';
import { resolveAttentions } from './attention.ts';
import { decomposeAttention } from './decompose.ts';
import type { PastInterface } from './interface.ts';
import { findKept } from './kept-nodes.ts';
import { withAllRows } from './last-row.ts';
import { anySizes, type ProbeSizes, Probes, promptOrRow } from './probes.ts';
import { Rebuild } from './rebuild.ts';
import type { ResolvedAttention } from './resolved-attention.ts';
import { intOf, type SourceGraph, type SourceTensor } from './source-graph.ts';
import { toWeightOnly } from './weight-only.ts';

export interface ImportedGraph extends Pick<ModelShape, 'windows' | 'hasFullLayers'> {
  readonly graph: Graph;
  readonly weights: ReadonlyMap<string, SourceTensor>;
  readonly heads: number;
  readonly vocabulary: number;
  /** Positions that its tables have; Infinity: no table. */
  readonly tablePositions: number;
  readonly format: MatrixFormat;
}

/** What is wanted of the paged graph. */
export interface ImportOptions {
  readonly levels: number;
  /** Default `f32`. */
  readonly kvType?: KvType;
  /** Default false. */
  readonly deterministic?: boolean;
  readonly contextTokens: number;
}

/** Throws ONNX_UNSUPPORTED. */
export function importGraph(read: SourceGraph, names: PastInterface, wanted: ImportOptions): ImportedGraph {
  const source = decomposeAttention(toWeightOnly(read));
  try {
    return importAt(anySizes, source, { ...wanted, names });
  } catch (error) {
    if (!(error instanceof GraphError) || error.code !== 'ONNX_UNSUPPORTED') throw error;
    try {
      return importAt(promptOrRow, source, { ...wanted, names });
    } catch {
      // What was wrong at all sizes says more.
      throw error;
    }
  }
}

function importAt(
  sizes: ProbeSizes,
  source: SourceGraph,
  wanted: ImportOptions & { readonly names: PastInterface },
): ImportedGraph {
  const { names } = wanted;
  const probes = new Probes(source, names, sizes(wanted.contextTokens));
  const analysis = new Analysis(source, names, probes);
  const withAll = withAllRows(analysis);
  if (withAll !== undefined) return importAt(sizes, withAll, wanted);
  const attentions = resolveAttentions(analysis);
  const vocabulary = vocabularyOf(analysis);
  const heads = attentions[0]?.heads ?? 0;
  if (attentions.some((attention) => attention.heads !== heads)) {
    throw new GraphError(
      'ONNX_UNSUPPORTED',
      `${source.file} has layers of different numbers of heads: expected the same in all`,
      { file: source.file },
    );
  }
  const builder = GraphBuilder.create();
  const rebuild = new Rebuild(builder, analysis);
  rebuild.build(attentions);
  const views = windowsOf(builder.nodes.filter((node) => node.kind === 'paged-attention'));
  const graph = lowerPagedAttention(builder, wanted);
  const tablePositions = tableLimit(analysis, attentions);
  return {
    graph,
    weights: rebuild.weights,
    heads,
    vocabulary,
    tablePositions,
    ...views,
    format: formatOf(analysis, attentions),
  };
}

/** The last extent of the logits [1, rows, vocabulary]. Throws ONNX_INTERFACE. */
function vocabularyOf(analysis: Analysis): number {
  const { logits } = analysis.names;
  const { dims } = analysis.fact(logits);
  const vocabulary = dims[2];
  if (dims.length === 3 && dims[0] === 1 && dims[1] === 'M' && typeof vocabulary === 'number') return vocabulary;
  const { file } = analysis.graph;
  const message = `${file} has ${logits} of shape [${dims}] where [batch, rows, vocabulary] was expected: export it with logits of all positions`;
  throw new GraphError('ONNX_UNSUPPORTED', message, { file });
}

/** Rows of the shortest table that positions choose from. */
function tableLimit(analysis: Analysis, attentions: readonly ResolvedAttention[]): number {
  let limit = Number.POSITIVE_INFINITY;
  const shorten = (extent: unknown) => {
    if (typeof extent === 'number') limit = Math.min(limit, extent);
  };
  for (const { rotation } of attentions) if (rotation !== undefined) shorten(analysis.fact(rotation.cosines).dims[0]);
  for (const node of findKept(analysis, attentions).body) {
    const [table = '', indexes = ''] = node.inputs;
    if (node.operator === 'Gather' && analysis.fact(indexes).isPositions)
      shorten(analysis.fact(table).dims[intOf(node, 'axis', 0)]);
    if (node.operator === 'RotaryEmbedding') shorten(analysis.fact(node.inputs[2] ?? '').dims[0]);
  }
  return limit;
}

/** The coarsest format of the weights that are multiplied with. */
function formatOf(analysis: Analysis, attentions: readonly ResolvedAttention[]): MatrixFormat {
  const kept = findKept(analysis, attentions);
  const bits = [...kept.body, ...kept.tail]
    .filter(({ operator }) => operator === 'MatMulNBits')
    .map((node) => intOf(node, 'bits', 4));
  return bits.length === 0 ? 'f32' : Math.min(...bits) <= 4 ? 'q4' : 'q8';
}
