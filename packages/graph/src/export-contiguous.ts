import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { BuildContext } from './blocks/build-context.ts';
import { buildDecoder } from './blocks/decoder.ts';
import type { MatrixFormat, ModelShape } from './compiled-model.ts';
import { readModelConfig } from './config/model-folder.ts';
import type { ContiguousAttention } from './contiguous/contiguous-attention.ts';
import { lowerContiguous } from './contiguous/lower-contiguous.ts';
import { GraphError } from './errors.ts';
import { fitToContext } from './fit-context.ts';
import { GraphBuilder } from './ir/builder.ts';
import { placeWeights } from './weights/placement.ts';
import { WeightFiles } from './weights/weight-files.ts';
import { writeGraph } from './write-graph.ts';

export interface ContiguousExport {
  /** Folder to write into; made when it is missing. */
  readonly to: string;
  /** Name of the graph file. Default: model.onnx. */
  readonly name?: string;
  /** Default `f32`. */
  readonly weights?: MatrixFormat;
  /**
   * `plain` (default): products and a softmax. `fused`: one GroupQueryAttention a layer, which runs faster and wants an attention mask of
   * ones.
   */
  readonly attention?: ContiguousAttention;
  /** As the option of `compileModel`: for a file with `w8a8` weights that goes to processors without VNNI. Default false. */
  readonly unsignedCodes?: boolean;
  /** Positions that rope tables cover; default and maximum: the model's own. */
  readonly contextTokens?: number;
}

const attentions: readonly ContiguousAttention[] = ['plain', 'fused'];

/**
 * Writes the model of a Hugging Face folder as an ONNX file with the stock interface (contiguous/contiguous-interface.ts): the same
 * weights and the same linear layers as `compileModel` has, over keys and values that the caller carries from call to call. Other
 * runtimes of exported decoders can run it; here it is what paged attention is compared with. Cost: one pass over the weights that are
 * packed. Throws GraphError.
 */
export async function exportContiguous(
  folder: string,
  options: ContiguousExport,
): Promise<{ readonly graphFile: string; readonly shape: ModelShape }> {
  const { attention = 'plain', weights = 'f32', name = 'model.onnx', unsignedCodes = false } = options;
  if (!attentions.includes(attention)) {
    throw new GraphError('OPTION_INVALID', `option attention is ${JSON.stringify(attention)}: give plain, fused`);
  }
  const { description: own } = await readModelConfig(resolve(folder));
  const contextTokens = Math.min(own.shape.contextTokens, options.contextTokens ?? own.shape.contextTokens);
  const description = fitToContext(own, contextTokens);
  const files = await WeightFiles.open(resolve(folder));
  try {
    const build: BuildContext = { graph: GraphBuilder.create(), weights: files, format: weights, unsignedCodes };
    files.allowMissingPrefix(description.optionalPrefix ?? '');
    const logits = buildDecoder(build, description, contextTokens)();
    const graph = lowerContiguous(build.graph, { logits, vocabulary: description.shape.vocabulary, attention });
    const placement = placeWeights(graph, files);
    await mkdir(options.to, { recursive: true });
    const graphFile = join(resolve(options.to), name);
    await writeGraph(graphFile, { graph, placement }, { files, onProgress: () => {} });
    return { graphFile, shape: description.shape };
  } finally {
    await files.close();
  }
}
