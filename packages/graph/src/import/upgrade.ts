/** Nodes of older opsets as the newer one wants them that the graph is written in. */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Attribute, Value } from '../ir/graph.ts';
import type { SourceNode } from './source-graph.ts';

export interface UpgradedNode {
  readonly operator: string;
  readonly inputs: readonly (Value | null)[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** Axes and the like that were attributes and became inputs: [attribute, input]. */
const moved: Readonly<Record<string, readonly [string, number]>> = {
  Squeeze: ['axes', 1],
  Unsqueeze: ['axes', 1],
  Split: ['split', 1],
};

export function upgrade(graph: GraphBuilder, node: SourceNode, given: UpgradedNode, opset: number): UpgradedNode {
  const { operator } = given;
  const attributes = { ...given.attributes };
  const inputs = [...given.inputs];
  if (node.domain !== '') return { operator, inputs, attributes };
  const move = operator.startsWith('Reduce') ? (['axes', 1] as const) : moved[operator];
  const old = move && attributes[move[0]];
  if (move !== undefined && old !== undefined && 'ints' in old) {
    inputs[move[1]] = graph.ints(old.ints);
    delete attributes[move[0]];
  }
  if (operator === 'Split' && inputs[1] === undefined) {
    attributes.num_outputs = { int: node.outputs.length };
    inputs.length = 1;
  }
  // The default was another axis; which of both it is was checked before.
  if ((operator === 'Softmax' || operator === 'LogSoftmax') && opset < 13) attributes.axis = { int: -1 };
  if (operator === 'Dropout') return { operator: 'Identity', inputs: inputs.slice(0, 1), attributes: {} };
  return { operator, inputs, attributes };
}
