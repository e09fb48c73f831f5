/** Which files of a model on the hub are worth fetching: configuration, tokenizer, and one set of weights. */
import { ModelsError } from '../errors.ts';
import { baseName, parentOf } from '../selection/file-pattern.ts';
import {
  chooseWeights,
  configFolderOf,
  isExternalData,
  SAFETENSORS_FILE,
  SAFETENSORS_INDEX,
  type WeightChoice,
} from '../selection/weight-choice.ts';
import type { HubFile } from './hub-file.ts';

/** What loaders read besides weights. */
const SMALL_FILES: ReadonlySet<string> = new Set([
  'config.json',
  'generation_config.json',
  'genai_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  'chat_template.jinja',
  'chat_template.json',
]);

export interface Selection {
  readonly choice: WeightChoice;
  /** Folder of the configuration, relative; empty at the top. */
  readonly configFolder: string;
  /** Configuration, tokenizer, and the index of the shards if there is one: to be fetched first. */
  readonly small: readonly HubFile[];
  readonly weights: readonly HubFile[];
}

/** What has to be read before the choice can be made. */
export interface SelectionHints {
  readonly name: string;
  readonly file?: string;
  readonly genaiDecoder?: string;
}

/** Pure. Throws MODEL_WEIGHTS_MISSING, MODEL_FILE_MISSING and MODEL_FILE_AMBIGUOUS. */
export function selectFiles(listing: readonly HubFile[], { name, ...wish }: SelectionHints): Selection {
  const paths = listing.map(({ path }) => path);
  const choice = chooseWeights(paths, { owner: name, ...wish });
  if (choice.format === 'none') throw noWeights(name, paths);
  const { onnxFile } = choice;
  const configFolder = onnxFile === undefined ? '' : (configFolderOf(onnxFile, paths) ?? '');
  const isSmall = ({ path }: HubFile) => parentOf(path) === configFolder && SMALL_FILES.has(baseName(path));
  const isIndex = ({ path }: HubFile) =>
    onnxFile === undefined && path === SAFETENSORS_INDEX && !paths.includes(SAFETENSORS_FILE);
  const small = listing.filter((file) => isSmall(file) || isIndex(file));
  return { choice, configFolder, small, weights: listing.filter(({ path }) => isWeight(path, onnxFile)) };
}

function isWeight(path: string, onnxFile: string | undefined): boolean {
  if (onnxFile === undefined) return path === SAFETENSORS_FILE;
  return path === onnxFile || isExternalData(path, onnxFile);
}

/** The files that an index of shards names. Pure. Throws MODEL_FILE_MISSING for one that the model does not have. */
export function shardsIn(indexText: string, listing: readonly HubFile[], name: string): readonly HubFile[] {
  const names = new Set(shardNames(indexText));
  return [...names].sort().map((shard) => {
    const file = listing.find(({ path }) => path === shard);
    if (file !== undefined) return file;
    const message = `${SAFETENSORS_INDEX} of ${name} names ${JSON.stringify(shard)}, which the model does not have; tell its authors, or take another revision`;
    throw new ModelsError('MODEL_FILE_MISSING', `${message}.`);
  });
}

/** A damaged index names nothing here: whoever loads the weights reports it. */
function shardNames(indexText: string): readonly string[] {
  try {
    const { weight_map: map } = JSON.parse(indexText) as { weight_map?: unknown };
    return Object.values(map ?? {}).map(String);
  } catch {
    return [];
  }
}

const OTHER_FORMATS: readonly (readonly [RegExp, string])[] = [
  [/\.gguf$/, 'GGUF files'],
  [/\.(bin|pt|pth|ckpt)$/, 'PyTorch files'],
  [/\.(h5|msgpack)$/, 'TensorFlow or Flax files'],
];

function noWeights(name: string, paths: readonly string[]): ModelsError {
  const found = OTHER_FORMATS.filter(([pattern]) => paths.some((path) => pattern.test(path))).map(([, what]) => what);
  const has = found.length > 0 ? `only ${found.join(' and ')}` : 'no weights';
  return new ModelsError(
    'MODEL_WEIGHTS_MISSING',
    `${name} has ${has}; take a model with ${SAFETENSORS_FILE} or ONNX files (the hub marks both as "Safetensors" and "ONNX").`,
  );
}
