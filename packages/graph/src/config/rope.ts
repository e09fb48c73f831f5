import type { RopeDescription } from '../blocks/description.ts';
import { GraphError } from '../errors.ts';
import { ConfigReader } from './config-reader.ts';
import type { DecoderNumbers } from './decoder-numbers.ts';
import { most } from './limits.ts';
import { ropeScalings } from './rope-scaling.ts';

/** Where an architecture keeps what its rope needs, apart from rope_scaling and rope_parameters. */
export interface RopeFields {
  /** Default rope_theta. */
  readonly theta?: string;
  readonly defaultTheta?: number;
  /** Field and default of the part of each head that is rotated; default partial_rotary_factor, 1. */
  readonly partial?: string;
  readonly defaultPartial?: number;
  /** Names one of several sets in rope_parameters, as layer_types does. */
  readonly layerType?: string;
  /** This rope is not stretched by rope_scaling. */
  readonly unscaled?: boolean;
}

/**
 * The rotary embedding that config.json asks for, in either spelling: rope_theta and rope_scaling, or rope_parameters (one set, or one for
 * each layer type). Throws CONFIG_INVALID, and ROPE_UNSUPPORTED for types that are not known.
 */
export function readRope(config: ConfigReader, numbers: DecoderNumbers, fields: RopeFields = {}): RopeDescription {
  const parameters = sectionOf(config, fields);
  const theta = readTheta(config, parameters, fields);
  const partialField = fields.partial ?? 'partial_rotary_factor';
  const holder = parameters?.has('partial_rotary_factor') ? parameters : config;
  const name = holder === config ? partialField : 'partial_rotary_factor';
  const partial = holder.positiveOr(name, fields.defaultPartial ?? 1);
  const rotaryDim = Math.trunc(numbers.headDim * partial);
  if (partial > 1 || rotaryDim < 2 || rotaryDim % 2 !== 0) {
    const what =
      partial === 1 ? `head_dim is ${numbers.headDim}` : `${name} is ${partial} of a head of ${numbers.headDim}`;
    throw config.fault(
      `${what}, but a rotary embedding needs an even number of elements, at least 2 and at most the head's`,
    );
  }
  const scaling = fields.unscaled ? undefined : (parameters ?? config.section('rope_scaling'));
  const type = scaling === undefined ? 'default' : scaling.textOr('rope_type', scaling.textOr('type', 'default'));
  const scale = ropeScalings.get(type);
  if (scale === undefined) throw unsupported(config, type);
  const rope = { theta, rotaryDim, contextTokens: numbers.contextTokens };
  return { rotaryDim, ...scale(withOriginal(config, scaling), rope) };
}

/** Positions that a model may be asked for: dynamic and yarn ropes reach beyond max_position_embeddings. Throws CONFIG_INVALID. */
export function ropeContext(config: ConfigReader, contextTokens: number): number {
  const scaling = sectionOf(config, {}) ?? config.section('rope_scaling');
  const type = scaling?.textOr('rope_type', scaling.textOr('type', 'default'));
  if (scaling === undefined || (type !== 'dynamic' && type !== 'yarn')) return contextTokens;
  const trained = scaling.countOr('original_max_position_embeddings', contextTokens, { most: most.context });
  return Math.min(most.context, Math.max(contextTokens, Math.floor(trained * scaling.positiveOr('factor', 1))));
}

function sectionOf(config: ConfigReader, { layerType }: RopeFields): ConfigReader | undefined {
  const all = config.section('rope_parameters');
  if (layerType === undefined || all === undefined || !all.has(layerType)) return all;
  return all.section(layerType);
}

function readTheta(config: ConfigReader, parameters: ConfigReader | undefined, fields: RopeFields): number {
  const newer = parameters?.has('rope_theta') ? parameters : undefined;
  const field = newer ? 'rope_theta' : (fields.theta ?? 'rope_theta');
  const theta = (newer ?? config).positiveOr(field, fields.defaultTheta ?? 10_000);
  if (theta <= 1) throw config.fault(`${field} is ${theta} where a number above 1 belongs`);
  return theta;
}

/** Phi-3 keeps original_max_position_embeddings beside rope_scaling, newer files within. */
function withOriginal(config: ConfigReader, scaling: ConfigReader | undefined): ConfigReader {
  const field = 'original_max_position_embeddings';
  if (scaling === undefined) return new ConfigReader({}, config.file);
  return scaling.has(field) || !config.has(field) ? scaling : scaling.with(field, config.raw(field));
}

function unsupported(config: ConfigReader, type: string): GraphError {
  const known = [...ropeScalings.keys()].join(', ');
  const what = `rope_type ${JSON.stringify(type.slice(0, 60))} in its rotary embedding`;
  return new GraphError('ROPE_UNSUPPORTED', `${config.file} asks for ${what}: use a model with ${known}`, {
    file: config.file,
  });
}
