import type { GraphBuilder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { absolute, divide, maxOfLast, multiply } from '../ir/operators.ts';

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

/** Rows that lack a factor each: element = rows x factor of its row. What rounds rows may leave such factors out until the end. */
export interface FactoredRows {
  /** float32 [.., width] */
  readonly rows: Value;
  /** float32 [.., 1] */
  readonly factors?: Value;
}

/** Codes lie this far from that of 0 at most, on either side. */
const MOST_CODE = 127;

/**
 * Rows [.., width] with a scale for each, so that no row depends on another. Four nodes. A row of zeros has codes without meaning and the extreme 0,
 * with which products are multiplied. A row's codes are the same whatever its factor is, so only the extremes take it in.
 */
export function roundInput(graph: GraphBuilder, { rows: x, factors }: FactoredRows): RoundedInput {
  const largest = maxOfLast(graph, absolute(graph, x));
  const zero = graph.tensor({ name: 'code_of_zero', type: 'uint8', shape: [] }, Uint8Array.of(MOST_CODE + 1));
  const step = graph.floats([1 / MOST_CODE], []);
  const codes = graph.call(
    { operator: 'QuantizeLinear', inputs: [divide(graph, x, largest), step, zero] },
    'uint8',
    x.shape,
  );
  const extremes = factors === undefined ? largest : multiply(graph, largest, factors);
  return { codes, zero, step, extremes };
}
