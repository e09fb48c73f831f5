import type { Value } from '../ir/graph.ts';
import { cast, reshape } from '../ir/operators.ts';
import type { BuildContext } from './build-context.ts';
import type { RopeDescription } from './description.ts';

/** Cosines and sines of every position, and the step's positions in the form that the operator wants. */
export interface RotaryTables {
  readonly rotaryDim: number;
  /** [contextTokens, rotaryDim / 2] */
  readonly cosines: Value;
  readonly sines: Value;
  /** int64 [1, M] */
  readonly positions: Value;
}

export interface RotaryRequest {
  /** Distinct ones of the model. */
  readonly ropes: readonly RopeDescription[];
  /** int32 [M] */
  readonly positions: Value;
  /** Positions that the tables cover. */
  readonly contextTokens: number;
  /** The setting that ropes which follow the context are fixed for. */
  readonly ropeContextTokens: number;
}

/** Tables of each rope: fixed when the graph is compiled, so that K/V depend on tokens and positions alone. */
export function rotaryTables(build: BuildContext, request: RotaryRequest): ReadonlyMap<RopeDescription, RotaryTables> {
  const { graph } = build;
  const { ropes, contextTokens, ropeContextTokens } = request;
  if (ropes.length === 0) return new Map();
  const wide = cast(graph, request.positions, 'int64');
  const positions = reshape(graph, wide, { to: [1, -1], shape: [1, 'M'] });
  return new Map(
    ropes.map((rope, number) => {
      const { frequencies, magnitude } = rope.at(ropeContextTokens);
      const table = (name: string, of: (angle: number) => number) => {
        const fillRow = (position: number, into: Float32Array) => {
          frequencies.forEach((frequency, pair) => {
            into[pair] = magnitude * of(position * frequency);
          });
        };
        const value: Value = {
          name: `rope${number}.${name}`,
          type: 'float32',
          shape: [contextTokens, frequencies.length],
        };
        return graph.weight(value, { kind: 'computed', fillRow });
      };
      const { rotaryDim } = rope;
      return [rope, { rotaryDim, positions, cosines: table('cosines', Math.cos), sines: table('sines', Math.sin) }];
    }),
  );
}

export interface RotatedHeads {
  readonly heads: number;
  readonly headDim: number;
}

/** Rotates every head of x [1, M, heads x headDim]; elements of a head behind the first rotaryDim stay as they are. */
export function rotate(build: BuildContext, x: Value, tables: RotaryTables | undefined, shape: RotatedHeads): Value {
  if (tables === undefined) return x;
  const { rotaryDim, positions, cosines, sines } = tables;
  const partial = { num_heads: { int: shape.heads }, rotary_embedding_dim: { int: rotaryDim } };
  const attributes = rotaryDim === shape.headDim ? {} : partial;
  const inputs = [x, positions, cosines, sines];
  return build.graph.call(
    { operator: 'RotaryEmbedding', domain: 'com.microsoft', inputs, attributes },
    'float32',
    x.shape,
  );
}
