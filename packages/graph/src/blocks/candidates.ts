/**
 * The most probable tokens of a row, so that a sampler need not see the whole vocabulary. A row says what would be enough: candidates that hold a
 * share of all probability (top-p), or reach down to a relative weight (min-p), or just the candidates themselves (top-k). A row whose candidates
 * are not enough is handed out whole, in the same run. All of it lies in an `If` that steps without sampling skip.
 */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import {
  and,
  cast,
  choose,
  concat,
  gather,
  identity,
  less,
  multiply,
  not,
  or,
  reshape,
  subtract,
} from '../ir/operators.ts';
import { MOST_CANDIDATES, stepInputs, stepOutputs } from '../step-interface.ts';

/** How far, as a share of all probability, the candidates' mass must stay away from what is wanted: sums in float32 are this exact at worst. */
const SUM_TOLERANCE = 1e-5;

export interface CandidatesRequest {
  /** float32 [H, vocabulary] in the order of the final logits. */
  readonly raw: Value;
  /** From rows of `raw` to final logits. */
  readonly finish: (graph: GraphBuilder, rows: Value, name?: string) => Value;
  /** int32 [F] rows that are handed out whole in any case. */
  readonly fullRows: Value;
}

/** Hands out candidates, their sums, and the logits of full rows and of rows whose candidates are not enough. */
export function emitCandidates(graph: GraphBuilder, { raw, finish, fullRows }: CandidatesRequest): void {
  const vocabulary = raw.shape[1] as number;
  const count = Math.min(MOST_CANDIDATES, vocabulary);
  const inputs = {
    on: graph.input(stepInputs.sampleOn, 'bool', [1]),
    rows: graph.input(stepInputs.sampleRows, 'int32', ['S']),
    scales: graph.input(stepInputs.sampleScales, 'float32', ['S']),
    masses: graph.input(stepInputs.sampleMasses, 'float32', ['S']),
    floors: graph.input(stepInputs.sampleFloors, 'float32', ['S']),
  };
  const yes = graph.branch((inner) => {
    const column = (x: Value) => reshape(inner, x, { to: [-1, 1], shape: ['S', 1] });
    const rows = finish(inner, gather(inner, raw, inputs.rows, 0));
    const logits = inner.declare('top', 'float32', ['S', count]);
    const ids = inner.declare('top', 'int64', ['S', count]);
    inner.append({ operator: 'TopK', inputs: [rows, inner.ints([count])], attributes: { axis: { int: -1 } } }, [
      logits,
      ids,
    ]);
    const scales = column(inputs.scales);
    const peak = gather(inner, logits, inner.ints([0]), 1);
    const weigh = (x: Value) => {
      const distance = multiply(inner, subtract(inner, x, peak), scales);
      return inner.call({ operator: 'Exp', inputs: [distance] }, 'float32', x.shape);
    };
    const sum = { operator: 'ReduceSum', inputs: [weigh(rows), inner.ints([-1])] };
    const totals = inner.call(sum, 'float32', ['S', 1]);
    const weights = weigh(logits);
    const running = inner.call({ operator: 'CumSum', inputs: [weights, inner.int(1)] }, 'float32', weights.shape);
    const last = inner.ints([count - 1]);
    const needed = multiply(inner, column(inputs.masses), totals);
    const gaps = inner.call({ operator: 'Abs', inputs: [subtract(inner, running, needed)] }, 'float32', weights.shape);
    const least = inner.call({ operator: 'ReduceMin', inputs: [gaps, inner.ints([-1])] }, 'float32', ['S', 1]);
    const isVague = and(
      inner,
      less(inner, least, multiply(inner, totals, inner.floats([SUM_TOLERANCE], [1]))),
      less(inner, inner.floats([0], [1]), column(inputs.masses)),
    );
    const isShort = less(inner, gather(inner, running, last, 1), needed);
    const isBelow = less(inner, gather(inner, weights, last, 1), column(inputs.floors));
    const enough = and(inner, not(inner, isVague), or(inner, not(inner, isShort), isBelow));
    const lacking = not(inner, reshape(inner, enough, { to: [-1], shape: ['S'] }));
    const compress = { operator: 'Compress', inputs: [inputs.rows, lacking], attributes: { axis: { int: 0 } } };
    return [
      cast(inner, ids, 'int32'),
      identity(inner, logits),
      reshape(inner, totals, { to: [-1], shape: ['S'] }),
      lacking,
      inner.call(compress, 'int32', ['U']),
    ];
  });
  const no = graph.branch((inner) => [
    cast(inner, reshape(inner, inner.ints([0]), { to: [1, 1], shape: [1, 1] }), 'int32'),
    reshape(inner, inner.floats([0], [1]), { to: [1, 1], shape: [1, 1] }),
    identity(inner, inner.floats([0], [1])),
    less(inner, inner.ints([0]), inner.ints([0])),
    cast(inner, identity(inner, inner.ints([])), 'int32'),
  ]);
  const [ids, logits, totals, lacking, lackingRows] = choose(graph, { condition: inputs.on, yes, no }) as [
    Value,
    Value,
    Value,
    Value,
    Value,
  ];
  for (const [value, name] of [
    [ids, stepOutputs.candidateIds],
    [logits, stepOutputs.candidateLogits],
    [totals, stepOutputs.candidateTotals],
    [lacking, stepOutputs.candidatesLacking],
  ] as const) {
    graph.output(graph.call({ operator: 'Identity', inputs: [value] }, value.type, value.shape, name));
  }
  const whole = concat(graph, [fullRows, lackingRows], { axis: 0, shape: ['F+U'] });
  const gathered = { operator: 'Gather', inputs: [raw, whole], attributes: { axis: { int: 0 } } };
  graph.output(finish(graph, graph.call(gathered, 'float32', ['F+U', vocabulary]), stepOutputs.logits));
}
