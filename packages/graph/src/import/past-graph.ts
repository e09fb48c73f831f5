/** An export whose attention was not recognised, described so that a runner can feed it its past as tensors. */
import type { ModelShape, PastGraph } from '../compiled-model.ts';
import { GraphError } from '../errors.ts';
import type { PastInterface } from './interface.ts';
import type { OnnxConfig } from './onnx-config.ts';
import type { SourceGraph } from './source-graph.ts';

/** Operators with which a row's values depend on the other rows of its run, or K and V on how many tokens there are. */
const mixingOperators = new Set([
  'DynamicQuantizeLinear',
  'DynamicQuantizeMatMul',
  'DynamicQuantizeLSTM',
  'If',
  'Loop',
  'Scan',
  'NonZero',
]);

export interface PastModel {
  readonly shape: ModelShape;
  readonly past: PastGraph;
  readonly notices: readonly string[];
}

/** Pure. Throws ONNX_INTERFACE when the vocabulary is not known. */
export function describePast(
  graph: SourceGraph,
  names: PastInterface,
  of: { config: OnnxConfig; contextTokens: number; reason: string; lengthNode: string | undefined },
): PastModel {
  const { config, contextTokens, reason, lengthNode } = of;
  const { layers, kvHeads, headDim, type, tokens, mask, positions, logits, integerTypes, constants } = names;
  const mixer = graph.nodes.find(({ operator }) => mixingOperators.has(operator));
  const mixing = mixer === undefined ? lengthNode : `${mixer.label} (${mixer.operator})`;
  const heads = config.heads ?? kvHeads;
  const shape: ModelShape = {
    architecture: config.architecture,
    layers: layers.length,
    heads,
    kvHeads,
    headDim,
    hidden: config.hidden ?? heads * headDim,
    vocabulary: vocabularyOf(graph, names, config),
    contextTokens,
    windows: [],
    hasFullLayers: true,
  };
  const past: PastGraph = {
    tokens,
    ...(mask === undefined ? {} : { mask }),
    ...(positions === undefined ? {} : { positions }),
    logits,
    layers,
    type: type === 'float16' ? 'float16' : 'float32',
    integerTypes: integerTypes as Record<string, string>,
    constants,
    mixesRows: mixing !== undefined,
    // The branch with a past was exported with one row after it; whether it masks several was not recognised.
    oneRowRuns: graph.isMerged === true,
  };
  const slow = `the export runs as it is, one sequence at a time with its past copied for each step, because its attention was not recognised: ${reason}`;
  const notices = [slow];
  if (past.oneRowRuns) {
    notices.push(
      'each token of a prompt is a run of its own: the branch with a past of a merged export is made for one token',
    );
  }
  if (mixing === undefined) return { shape, past, notices };
  const alone = `nothing is shared between prompts: node ${mixing} makes K and V depend on more than the tokens before them`;
  return { shape, past, notices: [...notices, alone] };
}

function vocabularyOf(graph: SourceGraph, names: PastInterface, config: OnnxConfig): number {
  const dims = graph.outputs.find(({ name }) => name === names.logits)?.dims;
  const vocabulary = typeof dims?.[2] === 'number' ? dims[2] : config.vocabulary;
  if (vocabulary !== undefined && vocabulary > 0) return vocabulary;
  const message = `${graph.file} does not say how many tokens ${names.logits} has: add vocab_size to config.json`;
  throw new GraphError('ONNX_INTERFACE', message, { file: graph.file });
}
