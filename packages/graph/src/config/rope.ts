import type { RopeDescription } from '../blocks/description.ts';
import { GraphError } from '../errors.ts';
import type { ConfigReader } from './config-reader.ts';

const DEFAULT_THETA = 10_000;

/**
 * Angles of the rotary embedding from rope_theta and rope_scaling (or rope_parameters, which newer files have instead).
 * Throws ROPE_UNSUPPORTED for types other than default and llama3.
 */
export function readRope(config: ConfigReader, headDim: number): RopeDescription {
  const parameters = config.section('rope_parameters');
  const scaling = parameters ?? config.section('rope_scaling');
  const theta = parameters?.has('rope_theta')
    ? parameters.positive('rope_theta')
    : config.positiveOr('rope_theta', DEFAULT_THETA);
  if ((scaling ?? config).positiveOr('partial_rotary_factor', 1) !== 1) throw unsupported(config, 'a partial rotation');
  const frequencies = Array.from({ length: headDim / 2 }, (_, pair) => theta ** ((-2 * pair) / headDim));
  if (scaling === undefined) return { frequencies };
  const type = scaling.textOr('rope_type', scaling.textOr('type', 'default'));
  if (type === 'default') return { frequencies };
  if (type !== 'llama3') throw unsupported(config, `rope_type ${JSON.stringify(type)}`);
  return { frequencies: scaleAsLlama3(frequencies, scaling) };
}

/**
 * Llama 3's way to a longer context: long waves are slowed down by `factor`, short ones kept, those between blended
 * (apply_scaling in the reference code of Llama 3.1).
 */
function scaleAsLlama3(frequencies: readonly number[], scaling: ConfigReader): number[] {
  const factor = scaling.positive('factor');
  const lowFactor = scaling.positive('low_freq_factor');
  const highFactor = scaling.positive('high_freq_factor');
  const originalTokens = scaling.positive('original_max_position_embeddings');
  if (highFactor <= lowFactor) {
    throw scaling.fault(`high_freq_factor (${highFactor}) is not above low_freq_factor (${lowFactor})`);
  }
  return frequencies.map((frequency) => {
    const wavesInContext = (originalTokens * frequency) / (2 * Math.PI);
    if (wavesInContext < lowFactor) return frequency / factor;
    if (wavesInContext > highFactor) return frequency;
    const kept = (wavesInContext - lowFactor) / (highFactor - lowFactor);
    return (1 - kept) * (frequency / factor) + kept * frequency;
  });
}

function unsupported(config: ConfigReader, what: string): GraphError {
  const message = `${config.file} asks for ${what} in its rotary embedding: use a model with rope_type default or llama3`;
  return new GraphError('ROPE_UNSUPPORTED', message, { file: config.file });
}
