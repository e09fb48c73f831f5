/** A look at a folder with safetensors. */
import { buildDecoder } from '../blocks/decoder.ts';
import type { DecoderDescription } from '../blocks/description.ts';
import { DEFAULT_CONTEXT_TOKENS } from '../compile-model.ts';
import { MATRIX_FORMATS, type MatrixFormat } from '../compiled-model.ts';
import type { ConfigReader } from '../config/config-reader.ts';
import { describeModel, openConfig, readEndIds, refuseQuantized } from '../config/model-folder.ts';
import { fitToContext } from '../fit-context.ts';
import { GraphBuilder } from '../ir/builder.ts';
import type { Weight } from '../ir/graph.ts';
import { packedBytesOf, weightBytes } from '../weights/placement.ts';
import { WeightFiles } from '../weights/weight-files.ts';
import { bytesByType, Faults, type ModelInspection, type StoredWeights } from './model-inspection.ts';
import { TolerantTensors } from './tolerant-tensors.ts';

export async function inspectFolder(folder: string): Promise<ModelInspection> {
  const faults = new Faults();
  const opened = await faults.tryTo(() => openConfig(folder));
  const config = opened?.config;
  if (config !== undefined) {
    await faults.tryTo(() => refuseQuantized(config));
    await faults.tryTo(() => readEndIds(folder, config));
  }
  const own = config === undefined ? undefined : await faults.tryTo(() => describeModel(config));
  const files = await faults.tryTo(() => WeightFiles.open(folder));
  files?.allowMissingPrefix(own?.optionalPrefix ?? '');
  const description = own && fitToContext(own, Math.min(own.shape.contextTokens, DEFAULT_CONTEXT_TOKENS));
  try {
    const built = description === undefined ? undefined : await faults.tryTo(() => build(description, files, faults));
    return {
      format: 'safetensors',
      ...nameOf(config),
      ...(own && description ? { shape: { ...description.shape, contextTokens: own.shape.contextTokens } } : {}),
      ...(built === undefined ? { weightBytes: {} } : built),
      stored: storedIn(files),
      ...quantizationOf(config),
      problems: faults.problems,
    };
  } finally {
    await files?.close();
  }
}

/** Builds the graph once a format: the weights that it asks for are those that would be packed. */
function build(description: DecoderDescription, files: WeightFiles | undefined, faults: Faults) {
  const tensors = new TolerantTensors(quantizedAway(files, faults), faults);
  const built = MATRIX_FORMATS.map((format) => {
    const graph = GraphBuilder.create();
    buildDecoder({ graph, weights: tensors, format }, description, description.shape.contextTokens);
    return [format, graph.finish().weights] as const;
  });
  const weights = Object.fromEntries(built) as Record<MatrixFormat, readonly Weight[]>;
  const sizes = built.map(([format, all]) => [format, bytesOf(all)] as const);
  // What both of its graphs read in place is there once.
  const both = bytesOf(weights.q4) + packedBytesOf(weights.w8a8);
  return { parameters: tensors.elements, weightBytes: { ...Object.fromEntries(sizes), 'q4+w8a8': both } };
}

function bytesOf(weights: readonly Weight[]): number {
  return weights.reduce((sum, { value }) => sum + weightBytes(value), 0);
}

/** The tensors of a checkpoint of another quantiser have other names and types: to list each as a fault would say nothing new. */
function quantizedAway(files: WeightFiles | undefined, { problems }: Faults): WeightFiles | undefined {
  return problems.some(({ code }) => code === 'QUANTIZATION_UNSUPPORTED') ? undefined : files;
}

function storedIn(files: WeightFiles | undefined): StoredWeights {
  return {
    bytes: (files?.files ?? []).reduce((sum, { bytes }) => sum + bytes, 0),
    files: (files?.files ?? []).map(({ name }) => name),
    bytesByType: bytesByType((files?.stored ?? []).map(({ dtype, bytes }) => ({ type: dtype, bytes }))),
  };
}

/** Fields of the wrong type are somebody else's report. */
function nameOf(config: ConfigReader | undefined): { readonly architecture?: string } {
  const name = quietly(() => config?.texts('architectures')[0] ?? (config?.textOr('model_type', '') || undefined));
  return name === undefined ? {} : { architecture: name };
}

function quantizationOf(config: ConfigReader | undefined): { readonly quantization?: string } {
  const section = quietly(() => config?.section('quantization_config'));
  if (section === undefined) return {};
  const method = quietly(() => section.textOr('quant_method', 'unnamed method')) ?? 'unnamed method';
  const bits = quietly(() => (section.has('bits') ? section.count('bits', { most: 64 }) : undefined));
  return { quantization: bits === undefined ? method : `${method}, ${bits} bits` };
}

function quietly<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
