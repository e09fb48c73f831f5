import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { BuildContext } from './blocks/build-context.ts';
import { buildDecoder, ropesOf } from './blocks/decoder.ts';
import type { DecoderDescription } from './blocks/description.ts';
import {
  GRAPH_FILE,
  isIntact,
  publishFolder,
  readFileBytes,
  readWeightBytes,
  withScratchFolder,
} from './cache/compiled-folder.ts';
import { fingerprint } from './cache/fingerprint.ts';
import { type CheckedOptions, checkOptions } from './compile-options.ts';
import type { CompiledModel, CompileOptions, MatrixFormat } from './compiled-model.ts';
import { readModelConfig } from './config/model-folder.ts';
import { GraphError } from './errors.ts';
import { fitToContext } from './fit-context.ts';
import { GraphBuilder } from './ir/builder.ts';
import { lowerPagedAttention } from './lowering/paged-attention.ts';
import type { ModelSource } from './model-source.ts';
import { type MergedHeads, mergeHeads, writeDerived } from './trims/merge-heads.ts';
import { resolveTrims, trimLayers } from './trims/model-trims.ts';
import { JOURNAL_FILE } from './weights/pack-journal.ts';
import { PACKED_FILE, placeWeights } from './weights/placement.ts';
import { WeightFiles } from './weights/weight-files.ts';
import { type PreparedGraph, writeGraph } from './write-graph.ts';

/** Weights that are made of others; a plain name, since it stands in the compiled folder. */
const TRIMMED_FILE = 'trimmed.safetensors';

/** Rope tables are made for no more positions unless asked for: beyond it they would be larger than small models. */
export const DEFAULT_CONTEXT_TOKENS = 1 << 17;

interface Compilation extends CheckedOptions {
  readonly description: DecoderDescription;
  readonly format: MatrixFormat;
  readonly throughBits?: 4 | undefined;
}

/** One graph's share of a format of weights. */
interface GraphFormat {
  readonly format: MatrixFormat;
  readonly throughBits?: 4;
}

interface CompiledGraph {
  readonly model: CompiledModel;
  /** Of the weights that no other graph of the same model reads in place. */
  readonly packedBytes: number;
}

/**
 * Compiles the model of a Hugging Face folder, or an ONNX export, into a graph whose attention reads K/V from pages (step-interface.ts), or
 * finds the one compiled before. Effects: reads the model's files, writes below `options.cacheFolder`. Cost: a few milliseconds when found; else one
 * pass over the weights that are packed, with some MiB of memory whatever the model's (a matrix that is stored as
 * [in, out] is held whole); a process that dies in the middle leaves what the next
 * one goes on with. Throws GraphError; never publishes a half-made folder.
 */
export async function compileModel(model: string | ModelSource, options: CompileOptions): Promise<CompiledModel> {
  const { folder, onnxFile } = typeof model === 'string' ? { folder: model } : model;
  const sourceFolder = resolve(folder);
  if (onnxFile !== undefined) {
    if (options.trims !== undefined) throw noTrims();
    // Not at the head of the file: what reads and writes ONNX takes longer to load than most starts need to find their graph.
    const { compileOnnx } = await import('./import/compile-onnx.ts');
    return compileOnnx({ folder: sourceFolder, onnxFile: resolve(onnxFile) }, options);
  }
  if (options.weights === 'q4+w8a8') return compileBoth(sourceFolder, options);
  return (await compileFolder(sourceFolder, options, { format: options.weights ?? 'f32' })).model;
}

/** A graph for steps of few rows, and one for steps of many that multiplies with the same 4-bit matrices. */
async function compileBoth(sourceFolder: string, options: CompileOptions): Promise<CompiledModel> {
  if (options.deterministic === true) {
    const message =
      'weights "q4+w8a8" and deterministic runs exclude each other, since a row is multiplied in another way where a step has many rows: give weights q4 or w8a8, or leave deterministic out';
    throw new GraphError('OPTION_INVALID', message);
  }
  const { onProgress = () => {} } = options;
  const first = { ...options, onProgress: quietWhenReady(onProgress) };
  const { model } = await compileFolder(sourceFolder, first, { format: 'q4' });
  const many = await compileFolder(sourceFolder, options, { format: 'w8a8', throughBits: 4 });
  return {
    ...model,
    manyRowsFile: many.model.graphFile,
    weights: 'q4+w8a8',
    weightBytes: model.weightBytes + many.packedBytes,
    fingerprint: createHash('sha256').update(model.fingerprint).update(many.model.fingerprint).digest('hex'),
    fromCache: model.fromCache && many.model.fromCache,
  };
}

type OnProgress = NonNullable<CompileOptions['onProgress']>;

function quietWhenReady(onProgress: OnProgress): OnProgress {
  return (progress) => progress.status !== 'ready' && onProgress(progress);
}

async function compileFolder(
  sourceFolder: string,
  options: CompileOptions,
  { format, throughBits }: GraphFormat,
): Promise<CompiledGraph> {
  const { description: whole, endIds, fields } = await readModelConfig(sourceFolder);
  const trims = resolveTrims(options.trims, whole);
  const own = trims ? trimLayers(whole, trims) : whole;
  const checked = checkOptions({ most: own.shape.contextTokens, usual: DEFAULT_CONTEXT_TOKENS }, options);
  const fitted = fitToContext(own, checked.contextTokens);
  const merged = trims && mergeHeads(fitted, trims);
  const description = merged?.description ?? fitted;
  const compilation: Compilation = { ...checked, description, format, throughBits };
  const { kvType, deterministic, levels, cacheFolder, onProgress } = compilation;
  const files = await WeightFiles.open(sourceFolder);
  try {
    const { contextTokens } = description.shape;
    const settings = {
      weights: format,
      kvType,
      deterministic,
      levels,
      contextTokens,
      ...(throughBits && { throughBits }),
      ...(trims && { trims }),
      ...(format === 'w8a8' && compilation.unsignedCodes && { unsignedCodes: true as const }),
      ...ropeSetting(compilation),
    };
    const name = await fingerprint({ config: fields, files: files.files, ...settings });
    const target = join(cacheFolder, name);
    const fromCache = await isIntact(target);
    if (!fromCache) {
      files.allowMissingPrefix(description.optionalPrefix ?? '');
      await withDerived(merged?.tensors ?? [], { files, cacheFolder }, async () => {
        const prepared = prepare(compilation, files);
        const place = { cacheFolder, name, resumable: [PACKED_FILE, JOURNAL_FILE] };
        await publishFolder(place, (partial) => writeGraph(join(partial, GRAPH_FILE), prepared, { files, onProgress }));
      });
    }
    onProgress({ status: 'ready', loaded: 1, total: 1 });
    const graphFile = join(target, GRAPH_FILE);
    const { shape } = description;
    const weightBytes = await readWeightBytes(target);
    const model: CompiledModel = {
      sourceFolder,
      graphFile,
      shape,
      weights: format,
      kvType,
      deterministic,
      weightBytes,
      levels,
      endIds,
      fingerprint: name,
      fromCache,
      ...(trims && { untrimmed: whole.shape }),
    };
    return { model, packedBytes: await readFileBytes(target, PACKED_FILE) };
  } finally {
    await files.close();
  }
}

/** Lends `work` tensors that are made of others, in a file that goes away: what is read in place gets a second name before that. */
async function withDerived(
  tensors: MergedHeads['tensors'],
  { files, cacheFolder }: { readonly files: WeightFiles; readonly cacheFolder: string },
  work: () => Promise<void>,
): Promise<void> {
  if (tensors.length === 0) return work();
  await withScratchFolder(cacheFolder, async (folder) => {
    await writeDerived(join(folder, TRIMMED_FILE), tensors, files);
    await files.addFile(folder, TRIMMED_FILE);
    await work();
  });
}

function noTrims(): GraphError {
  return new GraphError(
    'OPTION_INVALID',
    'option trims does not go with an ONNX export: give a folder with safetensors',
  );
}

/** What the fingerprint says of the rope's context setting: nothing where no rope follows it. */
function ropeSetting({ description, ropeContextTokens }: Compilation): { readonly ropeContextTokens?: number } {
  return ropesOf(description).some(({ followsContext }) => followsContext) ? { ropeContextTokens } : {};
}

/** Builds the graph, which checks every weight that it needs, before anything is written. */
function prepare(compilation: Compilation, files: WeightFiles): PreparedGraph {
  const { description, ropeContextTokens, format, unsignedCodes, throughBits } = compilation;
  const build: BuildContext = { graph: GraphBuilder.create(), weights: files, format, unsignedCodes, throughBits };
  buildDecoder(build, description, ropeContextTokens);
  const graph = lowerPagedAttention(build.graph, compilation);
  return { graph, placement: placeWeights(graph, files) };
}
