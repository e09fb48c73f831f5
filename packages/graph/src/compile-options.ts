import { resolve } from 'node:path';
import { type CompileOptions, type KvType, WEIGHT_FORMATS, type WeightFormat } from './compiled-model.ts';
import { GraphError } from './errors.ts';

const kvTypes: readonly KvType[] = ['f32', 'f16', 'int8'];
const optionNames: readonly string[] = [
  'weights',
  'kvType',
  'deterministic',
  'levels',
  'contextTokens',
  'ropeContextTokens',
  'trims',
  'unsignedCodes',
  'cacheFolder',
  'onProgress',
];

/** More levels than a prefix tree is ever deep in practice; each costs inputs in every step. */
const MAX_LEVELS = 16;

/** Options with their defaults filled in. */
export interface CheckedOptions {
  readonly weights: WeightFormat;
  readonly kvType: KvType;
  readonly deterministic: boolean;
  readonly levels: number;
  readonly contextTokens: number;
  readonly ropeContextTokens: number;
  readonly unsignedCodes: boolean;
  readonly cacheFolder: string;
  readonly onProgress: NonNullable<CompileOptions['onProgress']>;
}

/** What the model itself says: positions that it was made for, and how many of them are taken unless told otherwise. */
export interface ModelContext {
  readonly most: number;
  readonly usual: number;
}

/** Pure. Throws OPTION_INVALID. */
export function checkOptions(context: ModelContext, options: CompileOptions): CheckedOptions {
  const unknown = Object.keys(options).find((key) => !optionNames.includes(key));
  if (unknown !== undefined)
    throw new GraphError('OPTION_INVALID', `option ${unknown} is unknown: give ${optionNames.join(', ')}`);
  const {
    weights = 'f32',
    kvType = 'f32',
    deterministic = false,
    levels,
    unsignedCodes = false,
    cacheFolder,
    onProgress = () => {},
  } = options;
  if (!WEIGHT_FORMATS.includes(weights)) throw wrongOption('weights', weights, WEIGHT_FORMATS.join(', '));
  if (!kvTypes.includes(kvType)) throw wrongOption('kvType', kvType, kvTypes.join(', '));
  if (typeof deterministic !== 'boolean') throw wrongOption('deterministic', deterministic, 'true or false');
  if (typeof unsignedCodes !== 'boolean') throw wrongOption('unsignedCodes', unsignedCodes, 'true or false');
  if (!Number.isInteger(levels) || levels < 1 || levels > MAX_LEVELS)
    throw wrongOption('levels', levels, `1 to ${MAX_LEVELS}`);
  if (typeof cacheFolder !== 'string' || cacheFolder === '') throw wrongOption('cacheFolder', cacheFolder, 'a path');
  const contextTokens = options.contextTokens ?? Math.min(context.most, context.usual);
  if (!Number.isInteger(contextTokens) || contextTokens < 1 || contextTokens > context.most) {
    throw wrongOption('contextTokens', contextTokens, `1 to the model's ${context.most}`);
  }
  const { ropeContextTokens = contextTokens } = options;
  if (!Number.isInteger(ropeContextTokens) || ropeContextTokens < 1)
    throw wrongOption('ropeContextTokens', ropeContextTokens, 'a whole number from 1');
  return {
    weights,
    kvType,
    deterministic,
    levels,
    contextTokens,
    ropeContextTokens,
    unsignedCodes,
    cacheFolder: resolve(cacheFolder),
    onProgress,
  };
}

function wrongOption(name: string, given: unknown, wanted: string): GraphError {
  return new GraphError('OPTION_INVALID', `option ${name} is ${JSON.stringify(given)}: give ${wanted}`);
}
