import type { ModelShape } from '../compiled-model.ts';
import type { ConfigReader } from './config-reader.ts';
import { most } from './limits.ts';

/** The numbers that the shapes of a model's tensors follow from. */
export interface DecoderNumbers {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocabulary: number;
  readonly contextTokens: number;
}

/** Names of fields, where a config has others than most. */
export interface NumberFields {
  readonly layers?: string;
  readonly hidden?: string;
  readonly heads?: string;
  readonly contextTokens?: string;
}

export interface NumberDefaults {
  /** Used where config.json has no max_position_embeddings. */
  readonly contextTokens: number;
  /** Absent: hidden / heads. */
  readonly headDim?: number;
}

/** Reads and compares them. Throws CONFIG_INVALID. */
export function readNumbers(config: ConfigReader, defaults: NumberDefaults, fields: NumberFields = {}): DecoderNumbers {
  const hiddenField = fields.hidden ?? 'hidden_size';
  const headsField = fields.heads ?? 'num_attention_heads';
  const hidden = config.count(hiddenField, { most: most.hidden });
  const heads = config.count(headsField, { most: most.heads });
  const kvHeads = config.countOr('num_key_value_heads', heads, { most: most.heads });
  if (heads % kvHeads !== 0) {
    throw config.fault(`${headsField} (${heads}) is not a multiple of num_key_value_heads (${kvHeads})`);
  }
  const isGiven = config.has('head_dim') || defaults.headDim !== undefined;
  if (!isGiven && hidden % heads !== 0) {
    throw config.fault(
      `${hiddenField} (${hidden}) is not a multiple of ${headsField} (${heads}), and head_dim is missing`,
    );
  }
  return {
    layers: config.count(fields.layers ?? 'num_hidden_layers', { most: most.layers }),
    hidden,
    heads,
    kvHeads,
    headDim: config.countOr('head_dim', defaults.headDim ?? hidden / heads, { most: most.headDim }),
    vocabulary: config.count('vocab_size', { most: most.vocabulary }),
    contextTokens: config.countOr(fields.contextTokens ?? 'max_position_embeddings', defaults.contextTokens, {
      most: most.context,
    }),
  };
}

/** Windows are filled in when the context setting is known. Pure. */
export function shapeOf(architecture: string, numbers: DecoderNumbers): ModelShape {
  return { architecture, ...numbers, windows: [], hasFullLayers: true };
}
