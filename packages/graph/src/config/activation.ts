import type { Activation } from '../blocks/description.ts';
import { GraphError } from '../errors.ts';
import type { ConfigReader } from './config-reader.ts';

/** By the names of transformers' ACT2FN; several names are one function. */
const activations: ReadonlyMap<string, Activation> = new Map([
  ['silu', 'silu'],
  ['swish', 'silu'],
  ['gelu', 'gelu'],
  ['gelu_new', 'gelu-tanh'],
  ['gelu_fast', 'gelu-tanh'],
  ['gelu_pytorch_tanh', 'gelu-tanh'],
  ['quick_gelu', 'quick-gelu'],
  ['relu', 'relu'],
]);

/** The activation that `field` names. Throws ACTIVATION_UNSUPPORTED. */
export function readActivation(config: ConfigReader, field: string, fallback: string): Activation {
  const name = config.textOr(field, fallback);
  const activation = activations.get(name);
  if (activation !== undefined) return activation;
  const known = [...activations.keys()].join(', ');
  const message = `${config.file} asks for ${field} ${JSON.stringify(name.slice(0, 60))}: use a model with ${known}`;
  throw new GraphError('ACTIVATION_UNSUPPORTED', message, { file: config.file });
}
