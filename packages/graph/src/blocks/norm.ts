import type { Value } from '../ir/graph.ts';
import type { BuildContext } from './build-context.ts';
import type { NormDescription } from './description.ts';
import { floatWeight } from './weights.ts';

/** x / rms(x) x weight over the last axis. */
export function rmsNorm(build: BuildContext, x: Value, norm: NormDescription): Value {
  const weight = floatWeight(build, norm.tensor, [norm.hidden]);
  const attributes = { axis: { int: -1 }, epsilon: { float: norm.epsilon } };
  return build.graph.call(
    { operator: 'SimplifiedLayerNormalization', inputs: [x, weight], attributes },
    'float32',
    x.shape,
  );
}

export interface Residual {
  /** What the branches so far sum up to. */
  readonly sum: Value;
  readonly normed: Value;
}

/** Adds a branch's output to the residual and normalises the sum, in one node. */
export function addAndNorm(
  build: BuildContext,
  branch: { residual: Value; output: Value },
  norm: NormDescription,
): Residual {
  const { graph } = build;
  const weight = floatWeight(build, norm.tensor, [norm.hidden]);
  const normed = graph.declare('normed', 'float32', branch.residual.shape);
  const sum = graph.declare('residual', 'float32', branch.residual.shape);
  const attributes = { epsilon: { float: norm.epsilon } };
  const inputs = [branch.output, branch.residual, weight];
  const call = { operator: 'SkipSimplifiedLayerNormalization', domain: 'com.microsoft', inputs, attributes } as const;
  graph.append(call, [normed, null, null, sum]);
  return { sum, normed };
}
