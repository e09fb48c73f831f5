import { elementBytes, type Value } from '../ir/graph.ts';
import type { WeightTensor } from '../weights/weight-files.ts';
import type { BuildContext } from './build-context.ts';

/** A tensor as float32: in place when it is stored so, else widened into a file of our own; `plus` is added to every element. */
export function floatWeight(build: BuildContext, tensor: string, shape: readonly number[], plus = 0): Value {
  const stored = build.weights.expect(tensor, shape);
  if (plus !== 0)
    return build.graph.weight({ name: `${tensor}+${plus}`, type: 'float32', shape }, { kind: 'widened', tensor, plus });
  const kind = stored.type === 'float32' && isAligned(stored) ? 'stored' : 'widened';
  return build.graph.weight({ name: tensor, type: 'float32', shape }, { kind, tensor });
}

/** A tensor in the element type it is stored in, in place. */
export function storedWeight(build: BuildContext, tensor: string, shape: readonly number[]): Value {
  const stored = build.weights.expect(tensor, shape);
  if (!isAligned(stored)) return floatWeight(build, tensor, shape);
  return build.graph.weight({ name: tensor, type: stored.type, shape }, { kind: 'stored', tensor });
}

/** The runtime maps the file and reads elements where they lie, so they must lie on multiples of their width. */
function isAligned(tensor: WeightTensor): boolean {
  return tensor.offset % elementBytes[tensor.type] === 0;
}
