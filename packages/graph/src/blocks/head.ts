import type { GraphBuilder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { multiply, reshape, tanh } from '../ir/operators.ts';
import type { BuildContext } from './build-context.ts';
import { emitCandidates } from './candidates.ts';
import type { DecoderDescription } from './description.ts';
import { emitGreedy } from './greedy.ts';
import { projectOne } from './linear.ts';

export interface HeadRequest {
  readonly decoder: DecoderDescription;
  /** [1, H, hidden], normalised. */
  readonly hidden: Value;
  /** int32 [F] */
  readonly fullRows: Value;
}

/**
 * Hands out the greedy token of every head row, candidates for those that sample, and the logits of the full ones. Returns what appends the logits of all head rows,
 * [H, vocabulary], for those who want them.
 */
export function emitHead(build: BuildContext, { decoder, hidden, fullRows }: HeadRequest): () => Value {
  const { graph } = build;
  const { vocabulary } = decoder.shape;
  const product = projectOne(build, hidden, decoder.head);
  const raw = reshape(graph, product, { to: [-1, vocabulary], shape: ['H', vocabulary] });
  emitGreedy(graph, raw);
  // Scale and cap keep the order of logits, so they are left to the rows that are handed out.
  const finish = (inner: GraphBuilder, rows: Value, name?: string) =>
    isPlain(decoder)
      ? inner.call({ operator: 'Identity', inputs: [rows] }, 'float32', rows.shape, name)
      : scaleAndCap(inner, rows, decoder, name);
  emitCandidates(graph, { raw, finish, fullRows });
  return () => (isPlain(decoder) ? raw : scaleAndCap(graph, raw, decoder));
}

function isPlain({ logitScale = 1, logitSoftcap }: DecoderDescription): boolean {
  return logitScale === 1 && logitSoftcap === undefined;
}

function scaleAndCap(graph: GraphBuilder, x: Value, decoder: DecoderDescription, name?: string): Value {
  const { logitScale = 1, logitSoftcap } = decoder;
  const times = (left: Value, factor: number, as?: string) => multiply(graph, left, graph.floats([factor], [1]), as);
  if (logitSoftcap === undefined) return times(x, logitScale, name);
  return times(tanh(graph, times(x, logitScale / logitSoftcap)), logitSoftcap, name);
}
