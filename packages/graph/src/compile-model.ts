import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { BuildContext } from './blocks/build-context.ts';
import { buildDecoder } from './blocks/decoder.ts';
import type { DecoderDescription } from './blocks/description.ts';
import { GRAPH_FILE, isIntact, publishFolder, readWeightBytes } from './cache/compiled-folder.ts';
import { fingerprint } from './cache/fingerprint.ts';
import { linkOrCopy } from './cache/link-file.ts';
import { type CheckedOptions, checkOptions } from './compile-options.ts';
import type { CompiledModel, CompileOptions } from './compiled-model.ts';
import { readModelConfig } from './config/model-folder.ts';
import { compileOnnx } from './import/compile-onnx.ts';
import { GraphBuilder } from './ir/builder.ts';
import type { Graph } from './ir/graph.ts';
import { lowerPagedAttention } from './lowering/paged-attention.ts';
import type { ModelSource } from './model-source.ts';
import { emitOnnx } from './onnx/emit.ts';
import { packedTotal, packWeights } from './weights/pack.ts';
import { JOURNAL_FILE } from './weights/pack-journal.ts';
import { PACKED_FILE, type Placement, placeWeights } from './weights/placement.ts';
import { WeightFiles } from './weights/weight-files.ts';

/** Rope tables are made for no more positions unless asked for: beyond it they would be larger than small models. */
const DEFAULT_CONTEXT_TOKENS = 1 << 17;

interface Compilation extends CheckedOptions {
  readonly description: DecoderDescription;
}

interface Prepared {
  readonly graph: Graph;
  readonly placement: Placement;
}

interface WriteJob {
  readonly files: WeightFiles;
  readonly onProgress: Compilation['onProgress'];
}

/**
 * Compiles the model of a Hugging Face folder, or an ONNX export, into a graph whose attention reads K/V from pages (step-interface.ts), or
 * finds the one compiled before. Effects: reads the model's files, writes below `options.cacheFolder`. Cost: a few milliseconds when found; else one
 * pass over the weights that are packed, with some MiB of memory whatever the model's; a process that dies in the middle leaves what the next
 * one goes on with. Throws GraphError; never publishes a half-made folder.
 */
export async function compileModel(model: string | ModelSource, options: CompileOptions): Promise<CompiledModel> {
  const { folder, onnxFile } = typeof model === 'string' ? { folder: model } : model;
  const sourceFolder = resolve(folder);
  if (onnxFile !== undefined) return compileOnnx({ folder: sourceFolder, onnxFile: resolve(onnxFile) }, options);
  const { description: own, endIds, fields } = await readModelConfig(sourceFolder);
  const checked = checkOptions({ most: own.shape.contextTokens, usual: DEFAULT_CONTEXT_TOKENS }, options);
  const description = { ...own, shape: { ...own.shape, contextTokens: checked.contextTokens } };
  const compilation: Compilation = { ...checked, description };
  const { weights, levels, cacheFolder, onProgress } = compilation;
  const files = await WeightFiles.open(sourceFolder);
  try {
    const { contextTokens } = description.shape;
    const name = await fingerprint({ config: fields, files: files.files, weights, levels, contextTokens });
    const target = join(cacheFolder, name);
    const fromCache = await isIntact(target);
    if (!fromCache) {
      const prepared = prepare(compilation, files);
      const place = { cacheFolder, name, resumable: [PACKED_FILE, JOURNAL_FILE] };
      await publishFolder(place, (partial) => write(partial, prepared, { files, onProgress }));
    }
    onProgress({ status: 'ready', loaded: 1, total: 1 });
    const graphFile = join(target, GRAPH_FILE);
    const { shape } = description;
    const weightBytes = await readWeightBytes(target);
    return { sourceFolder, graphFile, shape, weights, weightBytes, levels, endIds, fingerprint: name, fromCache };
  } finally {
    await files.close();
  }
}

/** Builds the graph, which checks every weight that it needs, before anything is written. */
function prepare(compilation: Compilation, files: WeightFiles): Prepared {
  const build: BuildContext = { graph: GraphBuilder.create(), weights: files, format: compilation.weights };
  buildDecoder(build, compilation.description);
  const graph = lowerPagedAttention(build.graph, compilation.levels);
  return { graph, placement: placeWeights(graph, files) };
}

/** Returns the bytes of the weights. */
async function write(folder: string, { graph, placement }: Prepared, job: WriteJob): Promise<number> {
  const { files, onProgress } = job;
  const total = packedTotal(placement);
  onProgress({ status: 'read', loaded: 0, total });
  const onWritten = (loaded: number) => onProgress({ status: 'pack', loaded, total });
  const journal = join(folder, JOURNAL_FILE);
  await packWeights(join(folder, PACKED_FILE), { placement, files, journal, onWritten });
  const { linked } = placement;
  for (const [index, file] of linked.entries()) {
    onProgress({ status: 'write', loaded: index, total: linked.length });
    await linkOrCopy(file.realPath, join(folder, file.name));
  }
  await writeFile(join(folder, GRAPH_FILE), emitOnnx(graph, placement.extents));
  // Last: what was packed and linked above is then known to be what the fingerprint stands for.
  await files.checkUnchanged();
  await rm(journal);
  let weightBytes = 0;
  for (const extent of placement.extents.values()) weightBytes += extent.bytes;
  return weightBytes;
}
