import type { Value } from '../ir/graph.ts';
import { multiply } from '../ir/operators.ts';
import type { BuildContext } from './build-context.ts';
import type { GatedMlpDescription } from './description.ts';
import { project, projectOne } from './linear.ts';

/** down(silu(gate(x)) x up(x)) */
export function gatedMlp(build: BuildContext, x: Value, mlp: GatedMlpDescription): Value {
  const [gate, up] = project(build, x, [mlp.gate, mlp.up]) as [Value, Value];
  return projectOne(build, multiply(build.graph, silu(build, gate), up), mlp.down);
}

/** x / (1 + exp(-x)): QuickGelu with a factor of 1, one node instead of two. */
function silu(build: BuildContext, x: Value): Value {
  const call = {
    operator: 'QuickGelu',
    domain: 'com.microsoft',
    inputs: [x],
    attributes: { alpha: { float: 1 } },
  } as const;
  return build.graph.call(call, 'float32', x.shape);
}
