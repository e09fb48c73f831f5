import type { Value } from '../ir/graph.ts';
import { cast, reshape } from '../ir/operators.ts';
import type { BuildContext } from './build-context.ts';
import type { RopeDescription } from './description.ts';

/** Cosines and sines of every position, and the step's positions in the form that the operator wants. */
export interface RotaryTables {
  /** [contextTokens, headDim / 2] */
  readonly cosines: Value;
  readonly sines: Value;
  /** int64 [1, M] */
  readonly positions: Value;
}

/** Tables for `contextTokens` positions: fixed when the graph is compiled, so that K/V depend on tokens and positions alone. */
export function rotaryTables(
  build: BuildContext,
  rope: RopeDescription,
  contextTokens: number,
  positions: Value,
): RotaryTables {
  const { graph } = build;
  const shape = [contextTokens, rope.frequencies.length];
  const table = (name: string, of: (angle: number) => number) =>
    graph.weight(
      { name, type: 'float32', shape },
      {
        kind: 'computed',
        fillRow(position, into) {
          rope.frequencies.forEach((frequency, pair) => {
            into[pair] = of(position * frequency);
          });
        },
      },
    );
  const wide = cast(graph, positions, 'int64');
  return {
    cosines: table('rope.cosines', Math.cos),
    sines: table('rope.sines', Math.sin),
    positions: reshape(graph, wide, { to: [1, -1], shape: [1, 'M'] }),
  };
}

/** Rotates every head of x [1, M, heads x headDim]. */
export function rotate(build: BuildContext, x: Value, tables: RotaryTables): Value {
  const inputs = [x, tables.positions, tables.cosines, tables.sines];
  return build.graph.call({ operator: 'RotaryEmbedding', domain: 'com.microsoft', inputs }, 'float32', x.shape);
}
