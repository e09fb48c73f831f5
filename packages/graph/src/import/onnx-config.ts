/** What the JSON files beside an export say: config.json (Hugging Face) or genai_config.json (onnxruntime-genai). */
import { join } from 'node:path';
import { ConfigReader } from '../config/config-reader.ts';
import { isNotFound, readJsonObject } from '../config/json-file.ts';
import { GraphError } from '../errors.ts';
import { type NameTemplates, usualNames } from './interface.ts';

export interface OnnxConfig {
  readonly architecture: string;
  /** Positions that the model was made for. */
  readonly contextTokens: number;
  readonly endIds: readonly number[];
  readonly names: NameTemplates;
  /** undefined: follows from the graph. */
  readonly hidden: number | undefined;
  readonly heads: number | undefined;
  readonly vocabulary: number | undefined;
  /** As they were read, for the fingerprint. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const MAX_CONTEXT = 1 << 30;
/** Of models whose files do not say: GPT-2's is shorter, and is kept to by its table of positions. */
const DEFAULT_CONTEXT = 2048;

/** Throws CONFIG_MISSING, CONFIG_MALFORMED, CONFIG_INVALID. */
export async function readOnnxConfig(folder: string): Promise<OnnxConfig> {
  const [config, genai, generation] = await Promise.all(
    ['config.json', 'genai_config.json', 'generation_config.json'].map((name) => readOptional(join(folder, name))),
  );
  if (config === undefined && genai === undefined) {
    const message = `${folder} has neither config.json nor genai_config.json: give the folder that the export belongs to`;
    throw new GraphError('CONFIG_MISSING', message, { file: join(folder, 'config.json') });
  }
  const model = genai?.reader.section('model');
  const decoder = model?.section('decoder');
  const ids = [generation?.reader, config?.reader, model].map((reader) => reader?.tokenIds('eos_token_id'));
  return {
    architecture:
      config?.reader.texts('architectures')[0] ??
      config?.reader.textOr('model_type', 'onnx') ??
      model?.textOr('type', 'onnx') ??
      'onnx',
    contextTokens: contextOf(config?.reader, model),
    endIds: ids.find((list) => list !== undefined) ?? [],
    names: namesOf(decoder),
    hidden: firstOf([
      [config?.reader, 'hidden_size'],
      [config?.reader, 'n_embd'],
      [decoder, 'hidden_size'],
    ]),
    heads: firstOf([
      [config?.reader, 'num_attention_heads'],
      [config?.reader, 'n_head'],
      [config?.reader, 'num_heads'],
      [decoder, 'num_attention_heads'],
    ]),
    vocabulary: firstOf([
      [config?.reader, 'vocab_size'],
      [model, 'vocab_size'],
    ]),
    fields: { config: config?.fields, genai: genai?.fields },
  };
}

async function readOptional(
  file: string,
): Promise<{ reader: ConfigReader; fields: Record<string, unknown> } | undefined> {
  try {
    const fields = await readJsonObject(file, 'CONFIG_MALFORMED');
    return { reader: new ConfigReader(fields, file), fields };
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function contextOf(config: ConfigReader | undefined, model: ConfigReader | undefined): number {
  for (const [reader, field] of [
    [model, 'context_length'],
    [config, 'max_position_embeddings'],
    [config, 'n_positions'],
    [config, 'n_ctx'],
    [config, 'max_seq_len'],
  ] as const) {
    if (reader?.has(field)) return reader.count(field, { most: MAX_CONTEXT });
  }
  return DEFAULT_CONTEXT;
}

/** The first of some fields that is there. */
function firstOf(fields: readonly (readonly [ConfigReader | undefined, string])[]): number | undefined {
  const found = fields.find(([reader, field]) => reader?.has(field));
  return found?.[0]?.count(found[1], { most: 1 << 24 });
}

/** genai_config.json may give inputs and outputs names of its own; `%d` is the layer. */
function namesOf(decoder: ConfigReader | undefined): NameTemplates {
  const inputs = decoder?.section('inputs');
  const outputs = decoder?.section('outputs');
  return {
    tokens: inputs?.textOr('input_ids', usualNames.tokens) ?? usualNames.tokens,
    mask: inputs?.textOr('attention_mask', usualNames.mask) ?? usualNames.mask,
    positions: inputs?.textOr('position_ids', usualNames.positions) ?? usualNames.positions,
    pastKey: inputs?.textOr('past_key_names', usualNames.pastKey) ?? usualNames.pastKey,
    pastValue: inputs?.textOr('past_value_names', usualNames.pastValue) ?? usualNames.pastValue,
    logits: outputs?.textOr('logits', usualNames.logits) ?? usualNames.logits,
    presentKey: outputs?.textOr('present_key_names', usualNames.presentKey) ?? usualNames.presentKey,
    presentValue: outputs?.textOr('present_value_names', usualNames.presentValue) ?? usualNames.presentValue,
  };
}
