/** A look at an ONNX export. */
import { stat } from 'node:fs/promises';
import type { ModelShape } from '../compiled-model.ts';
import { GraphError } from '../errors.ts';
import { MAX_CONTEXT_TOKENS, shapeOf } from '../import/compile-onnx.ts';
import { SourceFiles } from '../import/external-data.ts';
import { importGraph } from '../import/import-graph.ts';
import { readInterface } from '../import/interface.ts';
import { lengthDependence } from '../import/length-dependence.ts';
import { type OnnxConfig, readOnnxConfig } from '../import/onnx-config.ts';
import { describePast } from '../import/past-graph.ts';
import { readOnnx } from '../import/read-onnx.ts';
import { intOf, type SourceGraph, type SourceTensor } from '../import/source-graph.ts';
import type { ModelSource } from '../model-source.ts';
import { bytesByType, Faults, type ModelInspection } from './model-inspection.ts';

export async function inspectOnnx(source: Required<ModelSource>): Promise<ModelInspection> {
  const faults = new Faults();
  const config = await faults.tryTo(() => readOnnxConfig(source.folder));
  const files = new SourceFiles(source.folder, source.onnxFile);
  try {
    const graph = await faults.tryTo(() => readOnnx(source.onnxFile, files));
    const understood =
      graph === undefined || config === undefined ? undefined : await faults.tryTo(() => understand(graph, config));
    return {
      format: 'onnx',
      ...(config === undefined ? {} : { architecture: config.architecture }),
      weightBytes: {},
      ...understood,
      ...(graph === undefined ? {} : { parameters: parametersOf(graph), ...quantizationOf(graph) }),
      stored: {
        bytes: (await Promise.all(files.files.map(({ realPath }) => stat(realPath)))).reduce(
          (sum, { size }) => sum + size,
          0,
        ),
        files: files.files.map(({ name }) => name),
        bytesByType: bytesByType(
          [...(graph?.initializers.values() ?? [])].map(({ type, byteLength }) => ({ type, bytes: byteLength })),
        ),
      },
      problems: faults.problems,
    };
  } finally {
    await files.close();
  }
}

interface Understood {
  readonly shape: ModelShape;
  readonly weightBytes: ModelInspection['weightBytes'];
  readonly notices?: readonly string[];
}

/** As the compiler decides it: over pages, or as it is where its attention is not recognised. Throws what the importer throws. */
function understand(graph: SourceGraph, config: OnnxConfig): Understood {
  const names = readInterface(graph, config.names);
  const contextTokens = Math.min(config.contextTokens, MAX_CONTEXT_TOKENS);
  try {
    const made = importGraph(graph, names, { levels: 1, contextTokens });
    return {
      shape: shapeOf(config, names, { made, contextTokens }),
      weightBytes: { [made.format]: bytesOf(made.weights) },
    };
  } catch (error) {
    if (!(error instanceof GraphError) || error.code !== 'ONNX_UNSUPPORTED') throw error;
    const lengthNode = lengthDependence(graph, names, contextTokens);
    const of = { config, contextTokens, reason: error.message, lengthNode };
    const { shape, notices } = describePast(graph, names, of);
    return { shape, notices, weightBytes: { f32: bytesOf(graph.initializers) } };
  }
}

function bytesOf(tensors: ReadonlyMap<string, SourceTensor>): number {
  return [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** Weights that are multiplied with in packed form count as what they stand for: rows times columns. */
function parametersOf({ initializers, nodes }: SourceGraph): number {
  const packed = new Set<string>();
  let elements = 0;
  for (const node of nodes) {
    if (node.operator !== 'MatMulNBits') continue;
    elements += intOf(node, 'N', 0) * intOf(node, 'K', 0);
    for (const name of node.inputs.slice(1)) packed.add(name);
  }
  for (const [name, { dims, type }] of initializers) {
    // Whole numbers in full width are shapes and indexes.
    if (packed.has(name) || type === 'int64' || type === 'int32' || type === 'bool') continue;
    elements += dims.reduce((product, dim) => product * dim, 1);
  }
  return elements;
}

function quantizationOf({ nodes }: SourceGraph): { readonly quantization?: string } {
  const packed = nodes.filter(({ operator }) => operator === 'MatMulNBits');
  if (packed.length > 0) {
    const bits = [...new Set(packed.map((node) => intOf(node, 'bits', 4)))].sort((a, b) => a - b);
    const blocks = [...new Set(packed.map((node) => intOf(node, 'block_size', 32)))].sort((a, b) => a - b);
    return { quantization: `${bits.join(' and ')} bits in blocks of ${blocks.join(' and ')}` };
  }
  const isWhole = nodes.some(({ operator }) => /^(MatMulInteger|QLinearMatMul|DynamicQuantizeMatMul)/.test(operator));
  return isWhole ? { quantization: '8 bits, activations too' } : {};
}
