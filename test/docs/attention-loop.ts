/**
 * The smallest attention that is one: a head with real vectors, run token by token with and without a cache, counting what it does.
 * One layer and one head; a model does the same in each.
 */
const DIMENSION = 4;

type Vector = readonly number[];

export interface StepCount {
  /** Tokens whose query, key and value were computed in this step. */
  readonly rows: number;
  /** Query-key products of this step. */
  readonly products: number;
}

export interface Run {
  readonly steps: readonly StepCount[];
  /** What attention gives for the last token of each step. */
  readonly outputs: readonly Vector[];
}

/** A pseudo-random number in [-1, 1) from two integers; any would do. */
function weight(row: number, column: number): number {
  return (((row + 1) * 7919 + (column + 1) * 104729) % 2000) / 1000 - 1;
}

/** Counts the work of one step. */
class Attention {
  rows = 0;
  products = 0;

  /** Query, key or value (`kind` 0, 1, 2) of the token at a position: a matrix times the token's vector. */
  project(kind: number, position: number): Vector {
    if (kind === 0) this.rows += 1;
    return Array.from({ length: DIMENSION }, (_, out) => {
      let sum = 0;
      for (let at = 0; at < DIMENSION; at += 1) sum += weight(kind * DIMENSION + out, at) * weight(100 + position, at);
      return sum;
    });
  }

  /** Values weighed by softmax(query · key). */
  attend(query: Vector, keys: readonly Vector[], values: readonly Vector[]): Vector {
    const weights = keys.map((key) => {
      this.products += 1;
      return Math.exp(query.reduce((sum, part, at) => sum + part * (key[at] as number), 0));
    });
    const total = weights.reduce((sum, part) => sum + part, 0);
    return Array.from({ length: DIMENSION }, (_, at) =>
      values.reduce((sum, value, row) => sum + ((weights[row] as number) / total) * (value[at] as number), 0),
    );
  }
}

/** `newTokens`: how many tokens each step adds. Keys and values of earlier tokens are kept. */
export function runWithCache(newTokens: readonly number[]): Run {
  const keys: Vector[] = [];
  const values: Vector[] = [];
  return runSteps(newTokens, (attention, position) => {
    keys.push(attention.project(1, position));
    values.push(attention.project(2, position));
    return attention.attend(attention.project(0, position), keys, values);
  });
}

/** The same without keeping anything: each step computes every token so far again. */
export function runWithoutCache(newTokens: readonly number[]): Run {
  const ends = newTokens.map((_, step) => newTokens.slice(0, step + 1).reduce((sum, count) => sum + count, 0));
  const runs = ends.map((end) => runWithCache([end]));
  return { steps: runs.flatMap(({ steps }) => steps), outputs: runs.flatMap(({ outputs }) => outputs) };
}

function runSteps(newTokens: readonly number[], row: (attention: Attention, position: number) => Vector): Run {
  const steps: StepCount[] = [];
  const outputs: Vector[] = [];
  let position = 0;
  for (const count of newTokens) {
    const attention = new Attention();
    let output: Vector = [];
    for (const end = position + count; position < end; position += 1) output = row(attention, position);
    steps.push({ rows: attention.rows, products: attention.products });
    outputs.push(output);
  }
  return { steps, outputs };
}

/** Sums of a run's steps. */
export function totalOf(steps: readonly StepCount[]): StepCount {
  return {
    rows: steps.reduce((sum, { rows }) => sum + rows, 0),
    products: steps.reduce((sum, { products }) => sum + products, 0),
  };
}
