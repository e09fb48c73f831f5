/** Models that are on this machine already: a folder, or an ONNX file. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ModelsError, systemCode } from '../errors.ts';
import type { ResolvedModel } from '../resolved-model.ts';
import { matchesPattern, parentOf } from '../selection/file-pattern.ts';
import { genaiDecoder } from '../selection/genai-config.ts';
import { CONFIG_FILES, chooseWeights, configFolderOf, ONNX_FOLDER } from '../selection/weight-choice.ts';

/**
 * The model at a path, or undefined when nothing is there. A folder without weights is returned as it is: whoever loads it can say best
 * what is missing. Reads names of files, and genai_config.json. Throws MODEL_UNREADABLE, MODEL_CONFIG_MISSING and what the choice of
 * weights throws.
 */
export async function findLocalModel(path: string, file?: string): Promise<ResolvedModel | undefined> {
  const absolute = resolve(path);
  const found = await stat(absolute).catch((error: unknown) => {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw unreadable(path, error);
  });
  if (found === undefined) return undefined;
  return found.isDirectory() ? folderModel(absolute, file) : onnxModel(absolute, file);
}

async function folderModel(folder: string, file: string | undefined): Promise<ResolvedModel> {
  const paths = await listModelFiles(folder, file);
  const decoder = paths.includes('genai_config.json')
    ? genaiDecoder(await readFile(join(folder, 'genai_config.json'), 'utf8'))
    : undefined;
  const wish = {
    owner: folder,
    ...(file === undefined ? {} : { file }),
    ...(decoder === undefined ? {} : { genaiDecoder: decoder }),
  };
  const { onnxFile } = chooseWeights(paths, wish);
  if (onnxFile === undefined) return { folder, source: 'folder' };
  const absolute = join(folder, onnxFile);
  const configFolder = configFolderOf(onnxFile, paths);
  if (configFolder !== undefined) return { folder: join(folder, configFolder), onnxFile: absolute, source: 'folder' };
  return { folder: await configFolderAbove(absolute), onnxFile: absolute, source: 'folder' };
}

/** Names at the top, in `onnx/`, and in the folder that a pattern names; relative, with `/`. */
async function listModelFiles(folder: string, file: string | undefined): Promise<string[]> {
  const wanted = file === undefined ? '' : parentOf(file);
  const inside = wanted.includes('*') || wanted.split('/').includes('..') ? '' : wanted;
  const folders = new Set(['', ONNX_FOLDER, parentOf(inside), inside]);
  const lists = await Promise.all([...folders].map((name) => listFolder(folder, name)));
  return lists.flat().sort();
}

async function listFolder(folder: string, name: string): Promise<string[]> {
  try {
    return (await readdir(join(folder, name))).map((entry) => (name === '' ? entry : `${name}/${entry}`));
  } catch (error) {
    // Only the folder itself has to be there.
    if (name !== '') return [];
    throw unreadable(folder, error);
  }
}

async function onnxModel(path: string, file: string | undefined): Promise<ResolvedModel> {
  if (!path.endsWith('.onnx')) {
    const message = `${path} is neither a folder nor an .onnx file; give the folder of a model in Hugging Face layout, or its .onnx file`;
    throw new ModelsError('MODEL_UNREADABLE', `${message}.`);
  }
  if (file !== undefined && !matchesPattern(basename(path), file)) {
    const message = `${path} is not ${JSON.stringify(file)}; leave --file away, or give the folder of the model`;
    throw new ModelsError('MODEL_FILE_MISSING', `${message}.`, { details: { file } });
  }
  return { folder: await configFolderAbove(path), onnxFile: path, source: 'onnx' };
}

/** Beside the graph or one level up. Throws MODEL_CONFIG_MISSING. */
async function configFolderAbove(onnxFile: string): Promise<string> {
  const own = dirname(onnxFile);
  for (const folder of [own, dirname(own)]) {
    const names: readonly string[] = await readdir(folder).catch(() => []);
    if (CONFIG_FILES.some((name) => names.includes(name))) return folder;
  }
  throw new ModelsError(
    'MODEL_CONFIG_MISSING',
    `${onnxFile} has no config.json beside it or one level up; put the config.json of its model there.`,
  );
}

function unreadable(path: string, cause: unknown): ModelsError {
  return new ModelsError('MODEL_UNREADABLE', `${path} cannot be read (${systemCode(cause)}); check its permissions.`, {
    cause,
  });
}
