import type { Value } from '../ir/graph.ts';
import { multiply, splitLast } from '../ir/operators.ts';
import { activate } from './activation.ts';
import type { BuildContext } from './build-context.ts';
import type { GatedMlpDescription, MlpDescription, PlainMlpDescription } from './description.ts';
import { chooseExperts } from './experts.ts';
import { project, projectApart, projectFactored, projectOne } from './linear.ts';

/** [.., hidden] -> [.., hidden] */
export function mlp(build: BuildContext, x: Value, description: MlpDescription): Value {
  switch (description.kind) {
    case 'gated':
      return gatedMlp(build, x, description);
    case 'plain':
      return plainMlp(build, x, description);
    case 'experts':
      return chooseExperts(build, x, { description, expert: gatedMlp });
  }
}

/** down(activation(gate(x)) x up(x)) */
function gatedMlp(build: BuildContext, x: Value, { input, down, activation }: GatedMlpDescription): Value {
  const { graph } = build;
  const apart = input.kind === 'apart' ? projectApart(build, x, [input.gate, input.up]) : undefined;
  if (apart !== undefined) {
    const { outputs, factors } = apart;
    const [gate, up] = outputs as [Value, Value];
    const rows = multiply(graph, activate(graph, multiply(graph, gate, factors), activation), up);
    return projectFactored(build, { rows, factors }, down);
  }
  const [gate, up] = (
    input.kind === 'apart'
      ? project(build, x, [input.gate, input.up])
      : splitLast(graph, projectOne(build, x, input.linear), [input.linear.out / 2, input.linear.out / 2])
  ) as [Value, Value];
  return projectOne(build, multiply(graph, activate(graph, gate, activation), up), down);
}

/** down(activation(up(x))) */
function plainMlp(build: BuildContext, x: Value, { up, down, activation }: PlainMlpDescription): Value {
  return projectOne(build, activate(build.graph, projectOne(build, x, up), activation), down);
}
