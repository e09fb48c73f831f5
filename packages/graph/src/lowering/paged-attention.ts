/** Replaces attention over pages by ONNX operators: one branch for a step of a single row, one for a
 * chunk of a single sequence, one for everything else. */
import type { KvType } from '../compiled-model.ts';
import type { GraphBuilder } from '../ir/builder.ts';
import type { Branch, Graph, PagedAttentionNode, Value } from '../ir/graph.ts';
import { identity } from '../ir/operators.ts';
import { stepInputs } from '../step-interface.ts';
import { attendOnGrid } from './fixed-grid.ts';
import { buildGridTables } from './grid-tables.ts';
import { attendInParts } from './merged-parts.ts';
import { emitRows, type LayerPools, type RoundedRows, roundRows } from './page-format.ts';
import { attendSingleRow } from './single-row.ts';
import { attendSingleSequence } from './single-sequence.ts';
import { type AttentionRequest, windowsOf } from './step-inputs.ts';
import { buildStepTables, type StepTables, type ViewTables } from './step-tables.ts';

export interface LoweringOptions {
  /** Levels of page groups. */
  readonly levels: number;
  /** Default `f32`. */
  readonly kvType?: KvType;
  /** The same bits for a row whatever else is in the step; `levels` is then of no account. Default false. */
  readonly deterministic?: boolean;
}

/** Lowers every abstract attention node of what was built in `builder`, declares the inputs that they need, and hands out the new rows. */
export function lowerPagedAttention(builder: GraphBuilder, options: LoweringOptions): Graph {
  const { levels, kvType = 'f32', deterministic = false } = options;
  const nodes = builder.nodes;
  const attentions = nodes.filter((node) => node.kind === 'paged-attention');
  const [first] = attentions;
  if (first === undefined) return builder.finish();
  const lowered = builder.sibling();
  const request = {
    levels,
    layers: attentions.length,
    attention: first,
    kvType,
    ...windowsOf(attentions),
  };
  const lower = deterministic ? gridLowering(lowered, request) : levelLowering(lowered, request);
  const headsOn = lowered.input(stepInputs.headsOn, 'bool', [1]);
  const last = attentions.at(-1);
  const rows: { keys: RoundedRows; values: RoundedRows }[] = [];
  for (const node of nodes) {
    if (node.kind === 'operator') lowered.appendNode(node);
    else {
      const keys = roundRows(lowered, node.keys, node, kvType);
      const values = roundRows(lowered, node.values, node, kvType);
      rows[node.layer] = { keys, values };
      const seen = { ...node, keys: keys.seen, values: values.seen };
      if (node === last) lowerLast(lowered, seen, { headsOn, lower });
      else lower(lowered, seen);
    }
  }
  emitRows(lowered, rows, first);
  return lowered.finish();
}

type Lower = (graph: GraphBuilder, node: PagedAttentionNode) => void;

/**
 * What the last attention gives goes into nothing but logits, so a step that wants none, as all chunks of a long prompt but its last, is
 * spared it. Its rows are then whatever is at hand.
 */
function lowerLast(
  graph: GraphBuilder,
  node: PagedAttentionNode,
  { headsOn, lower }: { readonly headsOn: Value; readonly lower: Lower },
): void {
  const attended = graph.branch((inner) => {
    const output = inner.declare('attention', 'float32', node.output.shape);
    lower(inner, { ...node, output });
    return [output];
  });
  const left = graph.branch((inner) => [identity(inner, node.queries)]);
  const attributes = { then_branch: { branch: attended }, else_branch: { branch: left } };
  graph.append({ operator: 'If', inputs: [headsOn], attributes }, [node.output]);
}

function gridLowering(graph: GraphBuilder, request: AttentionRequest): Lower {
  const tables = buildGridTables(graph, request);
  return (inner, node) => {
    const attended = attendOnGrid(inner, node, tables);
    inner.append({ operator: 'Identity', inputs: [attended] }, [node.output]);
  };
}

function levelLowering(graph: GraphBuilder, request: AttentionRequest): Lower {
  const tables = buildStepTables(graph, request);
  return (inner, node) => lowerNode(inner, node, tables);
}

function lowerNode(graph: GraphBuilder, node: PagedAttentionNode, { views, inputs }: StepTables): void {
  const view = views.find(({ window }) => window === node.window) as ViewTables;
  const { sequence } = view;
  const pools = inputs.pools[node.layer] as LayerPools;
  const branch = (attend: (inner: GraphBuilder) => Value) => graph.branch((inner) => [attend(inner)]);
  const choice = (inner: GraphBuilder, condition: Value, yes: Branch, no: Branch, output: Value): Value => {
    const attributes = { then_branch: { branch: yes }, else_branch: { branch: no } };
    inner.append({ operator: 'If', inputs: [condition], attributes }, [output]);
    return output;
  };
  const inParts = branch((inner) => attendInParts(inner, node, { view, inputs }));
  const others =
    sequence === undefined
      ? inParts
      : branch((inner) => {
          const ofOne = branch((deep) => attendSingleSequence(deep, node, { pools, pages: view.firstPages, sequence }));
          const output = inner.declare('attention', 'float32', node.output.shape);
          return choice(inner, sequence.holds, ofOne, inParts, output);
        });
  const singleRow = branch((inner) => attendSingleRow(inner, node, { view, inputs }));
  choice(graph, view.isSingleRow, singleRow, others, node.output);
}
