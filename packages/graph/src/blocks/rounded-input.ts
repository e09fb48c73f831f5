import type { GraphBuilder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { absolute, divide, maxOfLast } from '../ir/operators.ts';

/** Rows in 8 bits: element = (code - zero) x step x extreme of its row. */
export interface RoundedInput {
  /** uint8, of the rows' shape: products of unsigned with signed bytes are what processors have an instruction for. */
  readonly codes: Value;
  /** uint8 scalar: the code of 0. */
  readonly zero: Value;
  /** float32 scalar */
  readonly step: Value;
  /** float32 [.., 1]: largest magnitude of each row. */
  readonly extremes: Value;
}

/** Codes lie this far from that of 0 at most, on either side. */
const MOST_CODE = 127;

/**
 * x [.., width] with a scale for each row, so that no row depends on another. Four nodes. A row of zeros has codes without meaning and the extreme 0,
 * with which products are multiplied.
 */
export function roundInput(graph: GraphBuilder, x: Value): RoundedInput {
  const extremes = maxOfLast(graph, absolute(graph, x));
  const zero = graph.tensor({ name: 'code_of_zero', type: 'uint8', shape: [] }, Uint8Array.of(MOST_CODE + 1));
  const step = graph.floats([1 / MOST_CODE], []);
  const codes = graph.call(
    { operator: 'QuantizeLinear', inputs: [divide(graph, x, extremes), step, zero] },
    'uint8',
    x.shape,
  );
  return { codes, zero, step, extremes };
}
