/** Attention over pages in plain loops and float64: what the lowered graph must compute. Used by tests. */
import type { LayerPools, PoolShape, StepSpec } from './ort.testing.ts';

export interface HeadShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Absent: the whole past. */
  readonly window?: number;
  readonly softcap?: number;
}

export interface AttentionRows {
  /** [M, heads, headDim] */
  readonly queries: Float32Array;
  /** [M, kvHeads, headDim] */
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

/** A place that holds a key and a value of one KV head. */
interface Source {
  readonly keys: Float32Array;
  readonly values: Float32Array;
  readonly offset: number;
}

export interface AttentionCase {
  readonly shape: HeadShape;
  readonly rows: AttentionRows;
  readonly step: StepSpec;
  readonly pools: LayerPools;
  readonly pool: PoolShape;
  readonly scale: number;
}

/** [M, heads, headDim] */
export function referenceAttention(given: AttentionCase): Float64Array {
  const { heads, kvHeads, headDim } = given.shape;
  const rowCount = given.step.tokens.length;
  const output = new Float64Array(rowCount * heads * headDim);
  for (let row = 0; row < rowCount; row += 1) {
    for (let head = 0; head < heads; head += 1) {
      const sources = sourcesOf(given, row, Math.floor(head / (heads / kvHeads)));
      const at = (row * heads + head) * headDim;
      attend(given, { sources, query: at, into: output.subarray(at, at + headDim) });
    }
  }
  return output;
}

/** Every key that a row sees, each exactly once. */
function sourcesOf(given: AttentionCase, row: number, kvHead: number): Source[] {
  const { kvHeads, headDim } = given.shape;
  const { pages, pageSize } = given.pool;
  const inStep = (other: number): Source => ({ ...given.rows, offset: (other * kvHeads + kvHead) * headDim });
  const sources = [inStep(row)];
  for (const groups of given.step.levels) {
    const group = groups.find(({ rows }) => rows.includes(row));
    for (let token = 0; token < (group?.tokens ?? 0); token += 1) {
      const distance = (given.step.positions[row] as number) - ((group?.first ?? 0) + token);
      if (distance >= (given.shape.window ?? Number.POSITIVE_INFINITY)) continue;
      const page = group?.pages[Math.floor(token / pageSize)] as number;
      sources.push({ ...given.pools, offset: ((kvHead * pages + page) * pageSize + (token % pageSize)) * headDim });
    }
  }
  const chunk = given.step.chunks.find((rows) => rows.includes(row)) ?? [];
  const place = Math.max(0, chunk.indexOf(row));
  return [...sources, ...chunk.slice(Math.max(0, place - (given.shape.window ?? place + 1) + 1), place).map(inStep)];
}

function attend(given: AttentionCase, one: { sources: readonly Source[]; query: number; into: Float64Array }): void {
  const { headDim } = given.shape;
  const scores = one.sources.map(({ keys, offset }) => {
    let sum = 0;
    for (let at = 0; at < headDim; at += 1)
      sum += (given.rows.queries[one.query + at] as number) * (keys[offset + at] as number);
    const { softcap } = given.shape;
    return softcap === undefined ? sum * given.scale : softcap * Math.tanh((sum * given.scale) / softcap);
  });
  const peak = Math.max(...scores);
  const total = scores.reduce((sum, score) => sum + Math.exp(score - peak), 0);
  one.sources.forEach(({ values, offset }, index) => {
    const weight = Math.exp((scores[index] as number) - peak) / total;
    for (let at = 0; at < headDim; at += 1)
      one.into[at] = (one.into[at] as number) + weight * (values[offset + at] as number);
  });
}
