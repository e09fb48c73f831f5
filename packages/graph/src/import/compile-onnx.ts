/** Compiles an ONNX export: into a paged graph when its attention is recognised, else into what the fallback runner needs. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GRAPH_FILE, isIntact, publishFolder, readWeightBytes } from '../cache/compiled-folder.ts';
import { fingerprint } from '../cache/fingerprint.ts';
import { linkOrCopy } from '../cache/link-file.ts';
import { type CheckedOptions, checkOptions } from '../compile-options.ts';
import type { CompiledModel, CompileOptions, ModelShape, WeightFormat } from '../compiled-model.ts';
import { GraphError } from '../errors.ts';
import type { ModelSource } from '../model-source.ts';
import { emitOnnx, OPSET_VERSION } from '../onnx/emit.ts';
import { PACKED_FILE } from '../weights/placement.ts';
import { checkUnchanged, type WeightFile } from '../weights/weight-files.ts';
import { SourceFiles } from './external-data.ts';
import { type ImportedGraph, importGraph } from './import-graph.ts';
import { packImported, placeImported } from './import-placement.ts';
import { type PastInterface, readInterface } from './interface.ts';
import { lengthDependence } from './length-dependence.ts';
import { type OnnxConfig, readOnnxConfig } from './onnx-config.ts';
import { describePast, type PastModel } from './past-graph.ts';
import { readOnnx } from './read-onnx.ts';
import type { SourceGraph } from './source-graph.ts';

/** Masks are looked at up to this length; a longer context is not promised. */
export const MAX_CONTEXT_TOKENS = 1 << 16;

/** What is kept beside a compiled graph about where it came from. */
const IMPORT_FILE = 'import.json';

/** Raise it whenever the same export would become another graph. */
const IMPORT_VERSION = 4;

type Imported = Pick<CompiledModel, 'shape' | 'weights' | 'notices' | 'past'>;

interface Job {
  readonly source: Required<ModelSource>;
  readonly config: OnnxConfig;
  readonly options: CheckedOptions;
  readonly files: SourceFiles;
  readonly graph: SourceGraph;
}

/** As `compileModel`, for an ONNX file. Throws GraphError; never leaves a half-made folder. */
export async function compileOnnx(source: Required<ModelSource>, options: CompileOptions): Promise<CompiledModel> {
  await checkFolder(source.folder);
  const config = await readOnnxConfig(source.folder);
  const checked = checkOptions({ most: config.contextTokens, usual: MAX_CONTEXT_TOKENS }, options);
  const files = new SourceFiles(source.folder, source.onnxFile);
  try {
    const graph = await readOnnx(source.onnxFile, files);
    return await compileRead({ source, config, options: checked, files, graph });
  } finally {
    await files.close();
  }
}

async function compileRead(job: Job): Promise<CompiledModel> {
  const { source, config, options, files } = job;
  const { levels, cacheFolder, onProgress } = options;
  const name = await fingerprint({
    config: { ...config.fields, names: config.names, import: IMPORT_VERSION },
    files: files.files,
    weights: options.weights,
    kvType: options.kvType,
    deterministic: options.deterministic,
    levels,
    contextTokens: Math.min(options.contextTokens, MAX_CONTEXT_TOKENS),
  });
  const target = join(cacheFolder, name);
  const fromCache = await isIntact(target);
  if (!fromCache) await publishFolder({ cacheFolder, name }, (partial) => write(partial, job));
  onProgress({ status: 'ready', loaded: 1, total: 1 });
  const imported = JSON.parse(await readFile(join(target, IMPORT_FILE), 'utf8')) as Imported;
  return {
    sourceFolder: source.folder,
    graphFile: join(target, GRAPH_FILE),
    ...imported,
    weightBytes: await readWeightBytes(target),
    kvType: options.kvType,
    deterministic: options.deterministic,
    levels,
    endIds: config.endIds,
    fingerprint: name,
    fromCache,
  };
}

/** Returns the bytes of the weights. */
async function write(folder: string, job: Job): Promise<number> {
  const names = readInterface(job.graph, job.config.names);
  const contextTokens = Math.min(job.options.contextTokens, MAX_CONTEXT_TOKENS);
  let made: ImportedGraph;
  try {
    made = importGraph(job.graph, names, {
      levels: job.options.levels,
      kvType: job.options.kvType,
      deterministic: job.options.deterministic,
      contextTokens,
    });
  } catch (error) {
    if (!(error instanceof GraphError) || error.code !== 'ONNX_UNSUPPORTED') throw error;
    const lengthNode = lengthDependence(job.graph, names, contextTokens);
    const of = { config: job.config, contextTokens, reason: error.message, lengthNode };
    return writePast(folder, job, describePast(job.graph, names, of));
  }
  checkFormat(job, made.format);
  return writePaged(folder, job, { made, shape: shapeOf(job.config, names, { made, contextTokens }) });
}

async function writePaged(
  folder: string,
  { graph, options, files }: Job,
  of: { made: ImportedGraph; shape: ModelShape },
): Promise<number> {
  const { made, shape } = of;
  const placement = placeImported(made.weights);
  const { onProgress } = options;
  const total = placement.packedBytes;
  onProgress({ status: 'read', loaded: 0, total });
  await packImported(join(folder, PACKED_FILE), placement, (loaded) => onProgress({ status: 'pack', loaded, total }));
  await linkAll(folder, placement.linked, onProgress);
  await writeFile(
    join(folder, GRAPH_FILE),
    emitOnnx(made.graph, placement.extents, Math.max(OPSET_VERSION, graph.opset)),
  );
  await writeImport(folder, { shape, weights: made.format });
  await checkUnchanged(files.files);
  return [...placement.extents.values()].reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The export itself, with its data where it expects them: the runtime wants real files beside it, which a folder of the hub's cache has not. */
async function writePast(
  folder: string,
  { source, options, files }: Job,
  { shape, past, notices }: PastModel,
): Promise<number> {
  const [onnx, ...data] = files.files;
  const links = new Map(data.map((file) => [file.name, file]));
  for (const { name } of data) {
    if (name === GRAPH_FILE || name === IMPORT_FILE) throw dataInTheWay(source.onnxFile, name);
    await mkdir(dirname(join(folder, name)), { recursive: true });
  }
  if (onnx !== undefined) links.set(GRAPH_FILE, onnx);
  await linkAll(folder, links, options.onProgress);
  await writeImport(folder, { shape, weights: 'f32', past, notices });
  await checkUnchanged(files.files);
  return files.files.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function linkAll(
  folder: string,
  links: ReadonlyMap<string, WeightFile>,
  onProgress: CheckedOptions['onProgress'],
): Promise<void> {
  let loaded = 0;
  for (const [name, file] of links) {
    onProgress({ status: 'write', loaded, total: links.size });
    await linkOrCopy(file.realPath, join(folder, name));
    loaded += 1;
  }
}

function dataInTheWay(file: string, name: string): GraphError {
  const message = `${file} keeps its weights in ${name}, a name that is taken beside a compiled graph: rename that file and its location in the export`;
  return new GraphError('ONNX_UNSUPPORTED', message, { file });
}

async function writeImport(folder: string, imported: Imported): Promise<void> {
  await writeFile(join(folder, IMPORT_FILE), `${JSON.stringify(imported)}\n`);
}

/** The shape of a recognised export. Pure. */
export function shapeOf(
  config: OnnxConfig,
  names: PastInterface,
  of: { made: ImportedGraph; contextTokens: number },
): ModelShape {
  const { made, contextTokens } = of;
  return {
    architecture: config.architecture,
    layers: names.layers.length,
    heads: made.heads,
    kvHeads: names.kvHeads,
    headDim: names.headDim,
    hidden: config.hidden ?? made.heads * names.headDim,
    vocabulary: made.vocabulary,
    contextTokens: Math.min(contextTokens, made.tablePositions),
    windows: made.windows,
    hasFullLayers: made.hasFullLayers,
  };
}

function checkFormat({ source, options }: Job, format: WeightFormat): void {
  if (options.weights === 'f32' || options.weights === format) return;
  const message = `option weights is "${options.weights}", but ${source.onnxFile} holds ${format} weights, and an export runs with the weights that it holds: leave the option out, or give a folder with safetensors`;
  throw new GraphError('OPTION_INVALID', message, { file: source.onnxFile });
}

async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory()) return;
  const what = found === undefined ? 'does not exist' : 'is not a folder';
  throw new GraphError('MODEL_FOLDER_MISSING', `${folder} ${what}: give the path of a model folder`, { file: folder });
}
