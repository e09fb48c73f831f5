/** Replaces attention over pages by ONNX operators: one branch for a step of a single row, one for everything else. */
import type { GraphBuilder } from '../ir/builder.ts';
import type { Graph, PagedAttentionNode } from '../ir/graph.ts';
import { attendInParts } from './merged-parts.ts';
import { attendSingleRow } from './single-row.ts';
import { windowsOf } from './step-inputs.ts';
import { buildStepTables, type StepTables, type ViewTables } from './step-tables.ts';

/** Lowers every abstract attention node of what was built in `builder`, and declares the inputs that they need. */
export function lowerPagedAttention(builder: GraphBuilder, levels: number): Graph {
  const nodes = builder.nodes;
  const attentions = nodes.filter((node) => node.kind === 'paged-attention');
  const [first] = attentions;
  if (first === undefined) return builder.finish();
  const lowered = builder.sibling();
  const tables = buildStepTables(lowered, {
    levels,
    layers: attentions.length,
    attention: first,
    ...windowsOf(attentions),
  });
  for (const node of nodes) {
    if (node.kind === 'operator') lowered.appendNode(node);
    else lowerNode(lowered, node, tables);
  }
  return lowered.finish();
}

function lowerNode(graph: GraphBuilder, node: PagedAttentionNode, { views, inputs }: StepTables): void {
  const view = views.find(({ window }) => window === node.window) as ViewTables;
  const singleRow = graph.branch((inner) => [attendSingleRow(inner, node, { view, inputs })]);
  const inParts = graph.branch((inner) => [attendInParts(inner, node, { view, inputs })]);
  const attributes = { then_branch: { branch: singleRow }, else_branch: { branch: inParts } };
  graph.append({ operator: 'If', inputs: [view.isSingleRow], attributes }, [node.output]);
}
