/** Rotary embeddings as transformers' modeling_rope_utils and the papers define them, for a context setting of so many tokens. */

import type { Rows } from './arithmetic.ts';
import { type Config, flag, number, numbers, section, text } from './config.ts';

export interface Rotation {
  /** Radians a position, one a pair. */
  readonly inverse: readonly number[];
  readonly length: number;
}

export interface RotationRequest {
  readonly config: Config;
  readonly base: number;
  /** Elements of a head that are rotated. */
  readonly dim: number;
  readonly contextTokens: number;
  /** rope_scaling, or the set in rope_parameters. */
  readonly scaling: Config | undefined;
}

export function rotation(request: RotationRequest): Rotation {
  const { scaling, config, base, dim } = request;
  const plain = (by = base) => Array.from({ length: dim / 2 }, (_, i) => 1 / by ** ((2 * i) / dim));
  if (scaling === undefined) return { inverse: plain(), length: 1 };
  const type = text(scaling, 'rope_type', text(scaling, 'type', 'default'));
  const most = number(config, 'max_position_embeddings');
  const original = number(
    scaling,
    'original_max_position_embeddings',
    number(config, 'original_max_position_embeddings', most),
  );
  if (type === 'default') return { inverse: plain(), length: 1 };
  if (type === 'linear') return { inverse: plain().map((x) => x / number(scaling, 'factor')), length: 1 };
  if (type === 'dynamic') {
    const factor = number(scaling, 'factor');
    const tokens = Math.max(request.contextTokens, original);
    return { inverse: plain(base * ((factor * tokens) / original - (factor - 1)) ** (dim / (dim - 2))), length: 1 };
  }
  if (type === 'llama3') return { inverse: plain().map((x) => llama3(x, scaling, original)), length: 1 };
  if (type === 'yarn') return yarn(request, scaling, original);
  if (type === 'longrope') {
    const factors = numbers(scaling, request.contextTokens > original ? 'long_factor' : 'short_factor');
    const factor = most / original;
    const grown = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
    return { inverse: plain().map((x, i) => x / factors[i]!), length: number(scaling, 'attention_factor', grown) };
  }
  throw new Error(`the reference has no rope ${type}`);
}

function llama3(inverse: number, scaling: Config, original: number): number {
  const [factor, low, high] = ['factor', 'low_freq_factor', 'high_freq_factor'].map((name) => number(scaling, name));
  const wavelength = (2 * Math.PI) / inverse;
  if (wavelength > original / low!) return inverse / factor!;
  if (wavelength < original / high!) return inverse;
  const smooth = (original / wavelength - low!) / (high! - low!);
  return ((1 - smooth) * inverse) / factor! + smooth * inverse;
}

/** Section 3.2 and 3.4 of the YaRN paper, in the terms of its reference code. */
function yarn({ base, dim }: RotationRequest, scaling: Config, original: number): Rotation {
  const factor = number(scaling, 'factor');
  const correctionDim = (rotations: number) =>
    (dim * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(base));
  const [fast, slow] = [number(scaling, 'beta_fast', 32), number(scaling, 'beta_slow', 1)];
  const isRounded = flag(scaling, 'truncate', true);
  const low = Math.max(0, isRounded ? Math.floor(correctionDim(fast)) : correctionDim(fast));
  const top = Math.min(dim - 1, isRounded ? Math.ceil(correctionDim(slow)) : correctionDim(slow));
  const high = top === low ? top + 0.001 : top;
  const inverse = Array.from({ length: dim / 2 }, (_, i) => {
    const extrapolated = 1 / base ** ((2 * i) / dim);
    const interpolated = 1 / (factor * base ** ((2 * i) / dim));
    const ramp = Math.min(Math.max((i - low) / (high - low), 0), 1);
    return interpolated * ramp + extrapolated * (1 - ramp);
  });
  const scale = (mscale: number) => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const byScales =
    'mscale' in scaling && 'mscale_all_dim' in scaling
      ? scale(number(scaling, 'mscale')) / scale(number(scaling, 'mscale_all_dim'))
      : scale(1);
  return { inverse, length: number(scaling, 'attention_factor', byScales) };
}

/** x cos + rotate_half(x) sin on the first elements of each head; row i is position i. */
export function rotated(rows: Rows, headDim: number, { inverse, length }: Rotation): Rows {
  const half = inverse.length;
  return rows.map((row, position) =>
    row.map((x, index) => {
      const at = index % headDim;
      if (at >= 2 * half) return x;
      const angle = position * inverse[at % half]!;
      const other = at < half ? -row[index + half]! : row[index - half]!;
      return length * (x * Math.cos(angle) + other * Math.sin(angle));
    }),
  );
}

/** The set for one kind of layer: rope_parameters[kind], else rope_parameters, else rope_scaling. */
export function scalingFor(config: Config, kind: string): Config | undefined {
  const parameters = section(config, 'rope_parameters');
  return (parameters && section(parameters, kind)) ?? parameters ?? section(config, 'rope_scaling');
}
