import { type Rows, softmax } from './arithmetic.ts';

export interface AttentionCase {
  /** [tokens][heads x headDim] */
  readonly queries: Rows;
  /** [tokens][kvHeads x headDim] */
  readonly keys: Rows;
  readonly values: Rows;
  readonly headDim: number;
  readonly scale: number;
  /** Key j is seen by query i when 0 <= i - j < window. */
  readonly window?: number | undefined;
  readonly cap?: number | undefined;
}

/** Causal attention over a whole sequence, every score worked out. */
export function attend(given: AttentionCase): Rows {
  const { queries, keys, values, headDim, scale, window = Number.POSITIVE_INFINITY, cap } = given;
  const group = queries[0]!.length / keys[0]!.length;
  return queries.map((query, i) => {
    const first = Math.max(0, i - window + 1);
    const output = new Float64Array(query.length);
    for (let head = 0; head * headDim < query.length; head += 1) {
      const from = Math.floor(head / group) * headDim;
      const scores = Float64Array.from({ length: i - first + 1 }, (_, at) => {
        let product = 0;
        for (let d = 0; d < headDim; d += 1) product += query[head * headDim + d]! * keys[first + at]![from + d]!;
        return cap === undefined ? product * scale : cap * Math.tanh((product * scale) / cap);
      });
      for (const [at, weight] of softmax(scores).entries()) {
        for (let d = 0; d < headDim; d += 1) output[head * headDim + d]! += weight * values[first + at]![from + d]!;
      }
    }
    return output;
  });
}
