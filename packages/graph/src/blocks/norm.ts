import type { Value } from '../ir/graph.ts';
import { add } from '../ir/operators.ts';
import type { BuildContext } from './build-context.ts';
import type { NormDescription } from './description.ts';
import { floatWeight } from './weights.ts';

/** x normalised over its last axis, times the weight, plus the bias of a classic one; x itself without a norm. */
export function normalize(build: BuildContext, x: Value, norm: NormDescription | undefined): Value {
  if (norm === undefined) return x;
  const operator = norm.kind === 'rms' ? 'SimplifiedLayerNormalization' : 'LayerNormalization';
  const attributes = { axis: { int: -1 }, epsilon: { float: norm.epsilon } };
  return build.graph.call({ operator, inputs: [x, ...parameters(build, norm)], attributes }, 'float32', x.shape);
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
  norm: NormDescription | undefined,
): Residual {
  const { graph } = build;
  if (norm === undefined) {
    const sum = add(graph, branch.residual, branch.output);
    return { sum, normed: sum };
  }
  const normed = graph.declare('normed', 'float32', branch.residual.shape);
  const sum = graph.declare('residual', 'float32', branch.residual.shape);
  const operator = norm.kind === 'rms' ? 'SkipSimplifiedLayerNormalization' : 'SkipLayerNormalization';
  const inputs = [branch.output, branch.residual, ...parameters(build, norm)];
  const attributes = { epsilon: { float: norm.epsilon } };
  graph.append({ operator, domain: 'com.microsoft', inputs, attributes }, [normed, null, null, sum]);
  return { sum, normed };
}

function parameters(build: BuildContext, { tensor, bias, hidden, weightOffset }: NormDescription): Value[] {
  const weight = floatWeight(build, tensor, [hidden], weightOffset);
  return bias === undefined ? [weight] : [weight, floatWeight(build, bias, [hidden])];
}
