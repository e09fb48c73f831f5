import type { GraphBuilder } from '../ir/builder.ts';
import type { Attribute, Value } from '../ir/graph.ts';
import type { Activation } from './description.ts';

interface ActivationOperator {
  readonly operator: string;
  readonly domain: '' | 'com.microsoft';
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** One node each. QuickGelu is x / (1 + exp(-alpha x)): with a factor of 1 it is silu. */
const operators: Readonly<Record<Activation, ActivationOperator>> = {
  silu: { operator: 'QuickGelu', domain: 'com.microsoft', attributes: { alpha: { float: 1 } } },
  'quick-gelu': { operator: 'QuickGelu', domain: 'com.microsoft', attributes: { alpha: { float: 1.702 } } },
  gelu: { operator: 'Gelu', domain: 'com.microsoft' },
  'gelu-tanh': { operator: 'FastGelu', domain: 'com.microsoft' },
  relu: { operator: 'Relu', domain: '' },
};

export function activate(graph: GraphBuilder, x: Value, activation: Activation): Value {
  return graph.call({ ...operators[activation], inputs: [x] }, 'float32', x.shape);
}
