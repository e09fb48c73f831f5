/** Attention to one set of keys and values, in the form that can be merged with others. */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import {
  add,
  choose,
  log,
  maxOfLast,
  multiply,
  multiplyMatrices,
  multiplyTransposed,
  softmax,
  subtract,
  tanh,
} from '../ir/operators.ts';
import { type PageRows, scaleProducts } from './page-format.ts';

export interface PartRequest {
  /** [.., rows, headDim] */
  readonly queries: Value;
  readonly keys: PageRows;
  readonly values: PageRows;
  /** Broadcast to [.., rows, tokens]. */
  readonly mask: Value;
  /** bool [1]: no row is kept from any token, so that the mask need not be added. Absent: it always is. */
  readonly isFull?: Value | undefined;
  readonly scale: number;
  readonly softcap: number | undefined;
}

export interface PartResult {
  /** Normalised; broadcast to [.., headDim] for each row. */
  readonly output: Value;
  /** [.., 1] logarithm of the sum of exponentials of the row's scores. */
  readonly logSum: Value;
}

/** What query-key products are multiplied with before `capScores`. Pure. */
export function cappedScale(scale: number, softcap: number | undefined): number {
  return softcap === undefined ? scale : scale / softcap;
}

/** Scores from products that were multiplied with `cappedScale`: softcap x tanh of them, or they themselves without a cap. */
export function capScores(graph: GraphBuilder, products: Value, softcap: number | undefined): Value {
  return softcap === undefined ? products : multiply(graph, tanh(graph, products), graph.floats([softcap], [1]));
}

/**
 * softmax(scale x Q K^T + mask) V and the logarithm of its denominator. The largest probability is exp(peak) / sum, so that
 * logarithm follows from two maxima and the fused Softmax; taking exponentials and sums apart costs one pass over the scores more.
 */
export function attend(graph: GraphBuilder, part: PartRequest): PartResult {
  const tokens = part.keys.rows.shape.at(-2) ?? 1;
  const shape = [...part.queries.shape.slice(0, -1), tokens];
  const alpha = cappedScale(part.scale, part.softcap);
  const products = multiplyTransposed(graph, { left: part.queries, right: part.keys.rows, alpha, shape });
  const unmasked = capScores(graph, scaleProducts(graph, products, part.keys.scales), part.softcap);
  const weigh = (inner: GraphBuilder, scores: Value) => [softmax(inner, scores, -1), maxOfLast(inner, scores)];
  const mask = (inner: GraphBuilder) => weigh(inner, add(inner, unmasked, part.mask));
  // Adding a mask is one more pass over the scores, which most shared pages can do without.
  const weighed =
    part.isFull === undefined
      ? mask(graph)
      : choose(graph, {
          condition: part.isFull,
          yes: graph.branch((inner) => weigh(inner, unmasked)),
          no: graph.branch(mask),
        });
  const [probabilities, peak] = weighed as [Value, Value];
  const weights = scaleProducts(graph, probabilities, part.values.scales);
  return {
    output: multiplyMatrices(graph, { left: weights, right: part.values.rows, shape: part.queries.shape }),
    logSum: subtract(graph, peak, log(graph, maxOfLast(graph, probabilities))),
  };
}
