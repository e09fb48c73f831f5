/** Rows of float64 and what models do with them: plain loops, written for clearness. */

/** One vector a token. */
export type Rows = readonly Float64Array[];

export function mapRows(rows: Rows, of: (row: Float64Array, index: number) => Float64Array): Rows {
  return rows.map(of);
}

export function sum(left: Rows, right: Rows): Rows {
  return left.map((row, index) => row.map((x, at) => x + right[index]![at]!));
}

export function scaled(rows: Rows, factor: number): Rows {
  return rows.map((row) => row.map((x) => x * factor));
}

export function multiplied(left: Rows, right: Rows): Rows {
  return left.map((row, index) => row.map((x, at) => x * right[index]![at]!));
}

/** rows x matrix^T + bias; the matrix is [out, in]. */
export function linear(rows: Rows, matrix: Float64Array, bias?: Float64Array): Rows {
  return rows.map((row) => {
    const out = new Float64Array(matrix.length / row.length);
    for (let column = 0; column < out.length; column += 1) {
      let total = bias?.[column] ?? 0;
      for (let at = 0; at < row.length; at += 1) total += row[at]! * matrix[column * row.length + at]!;
      out[column] = total;
    }
    return out;
  });
}

export function transposed(matrix: Float64Array, rows: number, columns: number): Float64Array {
  return Float64Array.from(
    { length: matrix.length },
    (_, at) => matrix[(at % rows) * columns + Math.floor(at / rows)]!,
  );
}

/** [from, to) of each row. */
export function columns(rows: Rows, from: number, to: number): Rows {
  return rows.map((row) => row.slice(from, to));
}

export function rmsNorm(row: Float64Array, weight: Float64Array, epsilon: number): Float64Array {
  const mean = row.reduce((total, x) => total + x * x, 0) / row.length;
  return row.map((x, at) => (x / Math.sqrt(mean + epsilon)) * weight[at]!);
}

export function layerNorm(row: Float64Array, weight: Float64Array, bias: Float64Array, epsilon: number): Float64Array {
  const mean = row.reduce((total, x) => total + x, 0) / row.length;
  const variance = row.reduce((total, x) => total + (x - mean) ** 2, 0) / row.length;
  return row.map((x, at) => ((x - mean) / Math.sqrt(variance + epsilon)) * weight[at]! + bias[at]!);
}

export function softmax(scores: Float64Array): Float64Array {
  const peak = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY);
  const powers = scores.map((score) => Math.exp(score - peak));
  const total = powers.reduce((all, power) => all + power, 0);
  return powers.map((power) => power / total);
}

/** By the name that config.json gives it. */
export function activation(name: string): (x: number) => number {
  if (name === 'silu') return (x) => x / (1 + Math.exp(-x));
  if (name === 'relu') return (x) => Math.max(0, x);
  if (name === 'gelu') return (x) => (x / 2) * (1 + erf(x / Math.SQRT2));
  if (name === 'quick_gelu') return (x) => x / (1 + Math.exp(-1.702 * x));
  if (name === 'gelu_new' || name === 'gelu_pytorch_tanh' || name === 'gelu_fast')
    return (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  throw new Error(`the reference has no ${name}`);
}

/** Its Taylor series, which takes long for large numbers but is as exact as they come below 5. */
function erf(x: number): number {
  if (Math.abs(x) > 5.5) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-18; n += 1) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}
