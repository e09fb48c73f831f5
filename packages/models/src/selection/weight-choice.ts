/** Which weights of a model are used: one rule for folders and for the hub, over nothing but names of files. */
import { ModelsError } from '../errors.ts';
import { baseName, matchesPattern, parentOf } from './file-pattern.ts';
import { preferredOnnx } from './onnx-order.ts';

export const SAFETENSORS_FILE = 'model.safetensors';
export const SAFETENSORS_INDEX = 'model.safetensors.index.json';
export const CONFIG_FILES: readonly string[] = ['config.json', 'genai_config.json'];

/** The folder in which exports for the web and optimum keep their graphs. */
export const ONNX_FOLDER = 'onnx';

export interface WeightChoice {
  readonly format: 'safetensors' | 'onnx' | 'none';
  /** Path of the graph; only for `onnx`. */
  readonly onnxFile?: string;
}

export interface WeightWish {
  /** Name or pattern of a file; see `ResolveOptions.file`. */
  readonly file?: string;
  /** The decoder that genai_config.json names, as a path. */
  readonly genaiDecoder?: string;
  /** What the files belong to, for messages. */
  readonly owner: string;
}

/**
 * Chooses among `paths` (relative, with `/`). Without a wish: safetensors at the top, else the decoder of genai_config.json, else the best
 * of the graphs at the top and in `onnx/`; `none` when there is nothing to choose from. Pure. Throws MODEL_FILE_MISSING and
 * MODEL_FILE_AMBIGUOUS, with the names that there are.
 */
export function chooseWeights(paths: readonly string[], wish: WeightWish): WeightChoice {
  const graphs = paths.filter((path) => path.endsWith('.onnx'));
  if (wish.file !== undefined) return chooseWished(paths, graphs, { ...wish, file: wish.file });
  if (paths.includes(SAFETENSORS_FILE) || paths.includes(SAFETENSORS_INDEX)) return { format: 'safetensors' };
  const { genaiDecoder } = wish;
  if (genaiDecoder !== undefined) {
    if (graphs.includes(genaiDecoder)) return { format: 'onnx', onnxFile: genaiDecoder };
    const message = `genai_config.json of ${wish.owner} names ${genaiDecoder}, which is not there; fetch the file, or give another one with --file`;
    throw new ModelsError('MODEL_FILE_MISSING', `${message}.`, { details: { file: genaiDecoder } });
  }
  if (graphs.length === 0) return { format: 'none' };
  const near = graphs.filter((path) => parentOf(path) === '' || parentOf(path) === ONNX_FOLDER);
  const onnxFile = preferredOnnx(near);
  if (onnxFile === undefined) throw ambiguous(graphs, wish.owner);
  return { format: 'onnx', onnxFile };
}

function chooseWished(
  paths: readonly string[],
  graphs: readonly string[],
  { file, owner }: WeightWish & { readonly file: string },
): WeightChoice {
  const safetensors = paths.filter(isLoadedSafetensors);
  if (safetensors.some((path) => matchesPattern(path, file))) return { format: 'safetensors' };
  const matching = graphs.filter((path) => matchesPattern(path, file));
  if (matching.length === 0) {
    const there = listed([...safetensors, ...graphs]) || 'neither safetensors nor ONNX files';
    const message = `No weights of ${owner} are called ${JSON.stringify(file)}; there are ${there}.`;
    throw new ModelsError('MODEL_FILE_MISSING', message, { details: { file } });
  }
  const onnxFile = preferredOnnx(matching);
  if (onnxFile === undefined) throw ambiguous(matching, owner);
  return { format: 'onnx', onnxFile };
}

/** Files that the loader of safetensors takes: one, or an index and its shards, at the top. */
function isLoadedSafetensors(path: string): boolean {
  return path === SAFETENSORS_FILE || path === SAFETENSORS_INDEX || /^model-\d+-of-\d+\.safetensors$/.test(path);
}

function ambiguous(graphs: readonly string[], owner: string): ModelsError {
  const message = `${owner} has several ONNX files and none with a usual name; give one with --file: ${listed(graphs)}.`;
  return new ModelsError('MODEL_FILE_AMBIGUOUS', message);
}

const MOST_LISTED = 20;

function listed(paths: readonly string[]): string {
  const more = paths.length - MOST_LISTED;
  return paths.slice(0, MOST_LISTED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/**
 * The folder whose configuration belongs to a graph: its own, else the one above, by where a config.json or genai_config.json is.
 * Undefined when neither has one. Pure.
 */
export function configFolderOf(onnxFile: string, paths: readonly string[]): string | undefined {
  const own = parentOf(onnxFile);
  const hasConfig = (folder: string) =>
    CONFIG_FILES.some((name) => paths.includes(folder === '' ? name : `${folder}/${name}`));
  if (hasConfig(own)) return own;
  return own !== '' && hasConfig(parentOf(own)) ? parentOf(own) : undefined;
}

/** Whether `path` is data that the graph keeps outside itself, by the names that exporters give it: `model.onnx_data`, `model.onnx.data`, with numbers behind. Pure. */
export function isExternalData(path: string, onnxFile: string): boolean {
  if (parentOf(path) !== parentOf(onnxFile)) return false;
  const name = baseName(path);
  const graph = baseName(onnxFile);
  return name.startsWith(graph) && /^[._]data(_\d+)?$/.test(name.slice(graph.length));
}
