import type { GraphBuilder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { add, argMax, cast, gatherEach, maxOfLast, multiply, reshape } from '../ir/operators.ts';
import { stepOutputs } from '../step-interface.ts';

/**
 * Hands out the largest of each row of `logits`, [H, vocabulary], the lowest id on a tie. The operator looks at one element at a time, where a maximum takes many at
 * once: so maxima of blocks say in which block it has to look. With 151,936 tokens this takes a fifth of the time.
 */
export function emitGreedy(graph: GraphBuilder, logits: Value): void {
  const vocabulary = logits.shape[1] as number;
  const width = blockWidth(vocabulary);
  const best = width === vocabulary ? argMax(graph, logits) : bestOfBlocks(graph, logits, width);
  graph.output(cast(graph, best, 'int32', stepOutputs.argmax));
}

/** int64 [H]. The first of the blocks with the largest maximum holds the first of the largest elements. */
function bestOfBlocks(graph: GraphBuilder, logits: Value, width: number): Value {
  const [rows = 1, vocabulary] = logits.shape as [number, number];
  const count = vocabulary / width;
  const blocks = reshape(graph, logits, { to: [-1, count, width], shape: [rows, count, width] });
  const maxima = reshape(graph, maxOfLast(graph, blocks), { to: [-1, count], shape: [rows, count] });
  const block = argMax(graph, maxima);
  const chosen = gatherEach(graph, blocks, reshape(graph, block, { to: [-1, 1], shape: [rows, 1] }));
  return add(graph, multiply(graph, block, graph.ints([width])), argMax(graph, chosen));
}

/** The divisor of `count` that is nearest to its square root; `count` itself when blocks would be too few or too small to help. Pure. */
export function blockWidth(count: number): number {
  let best = count;
  let distance = LEAST_GAIN;
  for (let width = 1; width * width <= count; width += 1) {
    if (count % width !== 0) continue;
    const parts = width + count / width;
    if (parts * distance <= count) {
      best = width;
      distance = count / parts;
    }
  }
  return best;
}

/** Elements looked at one by one must become fewer by this factor. */
const LEAST_GAIN = 8;
