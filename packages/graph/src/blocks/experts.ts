/**
 * Mixture of experts of which only the chosen ones are computed: for each expert, the rows that chose it are gathered, go through it in
 * one product a matrix, and are added where they came from. An expert that no row chose costs an `If` and reads no weight. Each expert's
 * matrices stay tensors of their own, so float32 ones are used in place and packed ones are packed as everywhere.
 */
import type { Value } from '../ir/graph.ts';
import { choose, concat, dimension, expand, gather, identity, multiply, reshape, softmax } from '../ir/operators.ts';
import type { BuildContext } from './build-context.ts';
import type { ExpertsDescription, GatedMlpDescription } from './description.ts';
import { projectFloat } from './linear.ts';

export interface ExpertsRequest {
  readonly description: ExpertsDescription;
  /** [n, hidden] -> [n, hidden] */
  readonly expert: (build: BuildContext, x: Value, expert: GatedMlpDescription) => Value;
}

/** [1, M, hidden] -> [1, M, hidden] */
export function chooseExperts(build: BuildContext, x: Value, { description, expert }: ExpertsRequest): Value {
  const { graph } = build;
  const { router, experts } = description;
  const [, rows = 1, hidden = 1] = x.shape;
  const flat = reshape(graph, x, { to: [-1, router.in], shape: [rows, hidden] });
  const shares = sharesOf(build, flat, description);
  const zeros = expand(graph, graph.floats([0], [1]), { to: shapeOf(build, flat), shape: flat.shape });
  const sum = experts.reduce((so, one, index) => {
    // [M, 1] this expert's share of each row, 0 for those that did not choose it.
    const share = gather(graph, shares, graph.ints([index]), 1);
    const largest = graph.call(
      { operator: 'ReduceMax', inputs: [share], attributes: { keepdims: { int: 0 } } },
      'float32',
      [],
    );
    const isChosen = graph.call({ operator: 'Greater', inputs: [largest, graph.floats([0], [])] }, 'bool', []);
    const yes = graph.branch((inner) => {
      const within = { ...build, graph: inner };
      const own = inner.call(
        { operator: 'NonZero', inputs: [reshape(inner, share, { to: [-1], shape: [rows] })] },
        'int64',
        [1, 'chosen'],
      );
      const places = reshape(inner, own, { to: [-1], shape: ['chosen'] });
      const output = expert(within, gather(inner, flat, places, 0), one);
      const weighed = multiply(inner, output, gather(inner, share, places, 0));
      const at = reshape(inner, places, { to: [-1, 1], shape: ['chosen', 1] });
      const call = { operator: 'ScatterND', inputs: [so, at, weighed], attributes: { reduction: { text: 'add' } } };
      return [inner.call(call, 'float32', so.shape)];
    });
    const no = graph.branch((inner) => [identity(inner, so)]);
    return choose(graph, { condition: isChosen, yes, no })[0] as Value;
  }, zeros);
  return reshape(graph, sum, { to: [1, -1, router.in], shape: x.shape });
}

/** [M, experts]: each row's shares of its best experts, scaled to sum to 1; 0 elsewhere. */
function sharesOf(build: BuildContext, x: Value, { router, chosen }: ExpertsDescription): Value {
  const { graph } = build;
  const rows = x.shape[0] ?? 1;
  // The router stays in float32 whatever the format of the weights: a rounded one would choose other experts.
  const probabilities = softmax(graph, projectFloat(build, x, router), -1);
  const values = graph.declare('shares', 'float32', [rows, chosen]);
  const indexes = graph.declare('experts', 'int64', [rows, chosen]);
  graph.append({ operator: 'TopK', inputs: [probabilities, graph.ints([chosen])], attributes: { axis: { int: -1 } } }, [
    values,
    indexes,
  ]);
  const total = graph.call({ operator: 'ReduceSum', inputs: [values, graph.ints([-1])] }, 'float32', [rows, 1]);
  const scaled = graph.call({ operator: 'Div', inputs: [values, total] }, 'float32', [rows, chosen]);
  const zeros = expand(graph, graph.floats([0], [1]), {
    to: shapeOf(build, probabilities),
    shape: probabilities.shape,
  });
  const call = { operator: 'ScatterElements', inputs: [zeros, indexes, scaled], attributes: { axis: { int: 1 } } };
  return graph.call(call, 'float32', probabilities.shape);
}

/** int64 [2] */
function shapeOf({ graph }: BuildContext, x: Value): Value {
  return concat(graph, [dimension(graph, x, 0), graph.ints([x.shape[1] as number])], { axis: 0, shape: [2] });
}
