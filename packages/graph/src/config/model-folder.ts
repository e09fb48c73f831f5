import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { architectures } from '../architectures/index.ts';
import type { DecoderDescription } from '../blocks/description.ts';
import type { ModelShape } from '../compiled-model.ts';
import { GraphError } from '../errors.ts';
import { ConfigReader } from './config-reader.ts';
import { isNotFound, readJsonObject } from './json-file.ts';

/** What the JSON files of a model folder say. */
export interface ModelConfig {
  readonly description: DecoderDescription;
  readonly endIds: readonly number[];
  /** config.json as it was read, for the fingerprint. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Reads config.json and generation_config.json. Throws MODEL_FOLDER_MISSING, CONFIG_MISSING, CONFIG_MALFORMED, CONFIG_INVALID,
 * ARCHITECTURE_UNKNOWN, QUANTIZATION_UNSUPPORTED or what the architecture throws.
 */
export async function readModelConfig(folder: string): Promise<ModelConfig> {
  const { config, fields } = await openConfig(folder);
  refuseQuantized(config);
  const description = describeModel(config);
  return { description, endIds: await readEndIds(folder, config), fields };
}

/** config.json, of which nothing is checked but that it is an object. Throws MODEL_FOLDER_MISSING, CONFIG_MISSING, CONFIG_MALFORMED. */
export async function openConfig(
  folder: string,
): Promise<{ readonly config: ConfigReader; readonly fields: Readonly<Record<string, unknown>> }> {
  await checkFolder(folder);
  const file = join(folder, 'config.json');
  const fields = await readJsonObject(file, 'CONFIG_MALFORMED').catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
    throw new GraphError('CONFIG_MISSING', `${folder} has no config.json: give a model folder in Hugging Face layout`, {
      file,
    });
  });
  return { config: new ConfigReader(fields, file), fields };
}

/** Pure. Throws ARCHITECTURE_UNKNOWN or what the architecture throws. */
export function describeModel(config: ConfigReader): DecoderDescription {
  return findArchitecture(config).describe(config);
}

/** The shape of a model folder's model, from config.json alone. Throws as `readModelConfig` does. */
export async function readModelShape(folder: string): Promise<ModelShape> {
  return (await readModelConfig(folder)).description.shape;
}

async function checkFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory()) return;
  const what = found === undefined ? 'does not exist' : 'is not a folder';
  throw new GraphError('MODEL_FOLDER_MISSING', `${folder} ${what}: give the path of a model folder`, { file: folder });
}

function findArchitecture(config: ConfigReader) {
  const names = config.texts('architectures');
  const modelType = config.textOr('model_type', '');
  const found = architectures.find(({ name, modelType: type }) =>
    names.length > 0 ? names.includes(name) : type === modelType,
  );
  if (found !== undefined) return found;
  const given = names.length > 0 ? names.join(', ') : modelType || 'none';
  const known = architectures.map(({ name }) => name).join(', ');
  const message = `${config.file} names the architecture ${given.slice(0, 200)}: use a model of ${known}`;
  throw new GraphError('ARCHITECTURE_UNKNOWN', message, { file: config.file });
}

/** Throws QUANTIZATION_UNSUPPORTED for a checkpoint that another tool quantised. Pure. */
export function refuseQuantized(config: ConfigReader): void {
  if (!config.has('quantization_config')) return;
  const message = `${config.file} has a quantization_config: use the model's unquantised weights and the option weights instead`;
  throw new GraphError('QUANTIZATION_UNSUPPORTED', message, { file: config.file });
}

/** Throws CONFIG_MALFORMED, CONFIG_INVALID. */
export async function readEndIds(folder: string, config: ConfigReader): Promise<readonly number[]> {
  const file = join(folder, 'generation_config.json');
  const fields = await readJsonObject(file, 'CONFIG_MALFORMED').catch((error: unknown) => {
    if (isNotFound(error)) return {};
    throw error;
  });
  return new ConfigReader(fields, file).tokenIds('eos_token_id') ?? config.tokenIds('eos_token_id') ?? [];
}
