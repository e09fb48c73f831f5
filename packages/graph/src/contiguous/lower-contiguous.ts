/** Replaces attention over pages by attention over a past that every sequence brings along. */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Graph, Value } from '../ir/graph.ts';
import { concat, reshape } from '../ir/operators.ts';
import { prune } from '../ir/prune.ts';
import { stepInputs, stepOutputs } from '../step-interface.ts';
import { attendContiguous, type ContiguousAttention } from './contiguous-attention.ts';
import { contiguousOutputs } from './contiguous-interface.ts';
import { buildSequenceTables } from './sequence-tables.ts';

export interface ContiguousRequest {
  /** [.., rows that are kept, vocabulary], of the decoder that was built. */
  readonly logits: Value;
  readonly vocabulary: number;
  readonly attention: ContiguousAttention;
}

/**
 * Lowers what `buildDecoder` made to the stock interface. The decoder's own inputs become values that are worked out from the stock
 * ones, under their old names; what only pages and sampling need is left out.
 */
export function lowerContiguous(builder: GraphBuilder, request: ContiguousRequest): Graph {
  const decoderInputs: ReadonlySet<string> = new Set([
    stepInputs.tokens,
    stepInputs.positions,
    stepInputs.headRows,
    stepInputs.fullRows,
    stepInputs.sampleOn,
    stepInputs.sampleRows,
    stepInputs.sampleScales,
    stepInputs.sampleMasses,
    stepInputs.sampleFloors,
  ]);
  const decoderOutputs: ReadonlySet<string> = new Set(Object.values(stepOutputs));
  const attentions = builder.nodes.filter((node) => node.kind === 'paged-attention');
  const [first] = attentions;
  if (first === undefined) throw new Error('a decoder has attention');
  const lowered = builder.sibling();
  const windows = new Set(attentions.map(({ window }) => window));
  const tables = buildSequenceTables(lowered, { g: first.heads / first.kvHeads, windows });
  for (const node of builder.nodes) {
    if (node.kind === 'operator') {
      if (!node.outputs.some((value) => value !== null && decoderOutputs.has(value.name))) lowered.appendNode(node);
    } else attendContiguous(lowered, node, { tables, attention: request.attention });
  }
  const { logits, vocabulary } = request;
  const to = concat(lowered, [tables.sequences, lowered.ints([-1, vocabulary])], { axis: 0, shape: [3] });
  const bySequence = reshape(lowered, logits, { to, shape: ['batch_size', 'K', vocabulary] }, contiguousOutputs.logits);
  const graph = lowered.finish();
  const present = graph.outputs.filter(({ name }) => name.startsWith('present.'));
  return prune({
    ...graph,
    inputs: graph.inputs.filter(({ name }) => !decoderInputs.has(name)),
    outputs: [bySequence, ...present],
  });
}
