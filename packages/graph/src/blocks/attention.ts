import type { Value } from '../ir/graph.ts';
import { reshape, splitLast } from '../ir/operators.ts';
import type { BuildContext } from './build-context.ts';
import type { AttentionDescription, NormDescription } from './description.ts';
import { project, projectOne } from './linear.ts';
import { normalize } from './norm.ts';
import { type RotaryTables, rotate } from './rotary.ts';

export interface HeadCounts {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export interface AttentionRequest extends HeadCounts {
  readonly layer: number;
  readonly description: AttentionDescription;
  readonly rotary: RotaryTables | undefined;
}

/** Projects, normalises and rotates x [1, M, hidden], and appends the abstract attention node. [1, M, heads x headDim] */
export function attention(build: BuildContext, x: Value, request: AttentionRequest): Value {
  const { layer, description, rotary, heads, kvHeads, headDim } = request;
  const { scale, window, softcap, queryNorm, keyNorm } = description;
  const [rawQueries, rawKeys, values] = projectHeads(build, x, request);
  const prepare = (rows: Value, count: number, norm: NormDescription | undefined) =>
    rotate(build, normalizeHeads(build, rows, { count, headDim, norm }), rotary, { heads: count, headDim });
  const queries = prepare(rawQueries, heads, queryNorm);
  const keys = prepare(rawKeys, kvHeads, keyNorm);
  const options = { ...(window === undefined ? {} : { window }), ...(softcap === undefined ? {} : { softcap }) };
  const node = { layer, heads, kvHeads, headDim, scale, ...options, queries, keys, values };
  return build.graph.pagedAttention(node);
}

function projectHeads(build: BuildContext, x: Value, request: AttentionRequest): [Value, Value, Value] {
  const { graph } = build;
  const { heads, kvHeads, headDim, description } = request;
  const { input } = description;
  if (input.kind === 'apart') return project(build, x, [input.query, input.key, input.value]) as [Value, Value, Value];
  const product = projectOne(build, x, input.linear);
  if (input.rows === 'by-kind') {
    const widths = [heads * headDim, kvHeads * headDim, kvHeads * headDim];
    return splitLast(graph, product, widths) as [Value, Value, Value];
  }
  const byHead = reshape(graph, product, { to: [1, -1, heads, 3 * headDim], shape: [1, 'M', heads, 3 * headDim] });
  const parts = splitLast(graph, byHead, [headDim, headDim, headDim]);
  const flatten = (part: Value) =>
    reshape(graph, part, { to: [1, -1, heads * headDim], shape: [1, 'M', heads * headDim] });
  return parts.map(flatten) as [Value, Value, Value];
}

interface HeadNorm {
  readonly count: number;
  readonly headDim: number;
  readonly norm: NormDescription | undefined;
}

/** Each head for itself when the norm has a head's width, else all heads of a row together. */
function normalizeHeads(build: BuildContext, x: Value, { count, headDim, norm }: HeadNorm): Value {
  if (norm === undefined || norm.hidden !== headDim || count === 1) return normalize(build, x, norm);
  const { graph } = build;
  const apart = reshape(graph, x, { to: [1, -1, count, headDim], shape: [1, 'M', count, headDim] });
  const normed = normalize(build, apart, norm);
  return reshape(graph, normed, { to: [1, -1, count * headDim], shape: x.shape });
}
