/**
 * Merged decoders (optimum, transformers.js): both ways to run, with a past and without, are branches of one `If` on an input. The input is
 * always given the same, so the branch that it chooses is put in the place of the `If`, and the other one is gone.
 */
import { create } from '@bufbuild/protobuf';
import { type GraphProto, type NodeProto, NodeProtoSchema, type TensorProto } from 'onnx-buf';
import { choices } from './interface.ts';

export interface BranchedGraph {
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly TensorProto[];
  /** Whether a branch was chosen. */
  readonly isMerged: boolean;
}

/** Pure. A branch inside a branch, and an `If` on anything else, stay as they are. */
export function chooseBranches(graph: GraphProto): BranchedGraph {
  const nodes: NodeProto[] = [];
  const initializers = [...graph.initializer];
  let isMerged = false;
  for (const node of graph.node) {
    const branch = branchOf(node, graph);
    if (branch === undefined) {
      nodes.push(node);
      continue;
    }
    isMerged = true;
    initializers.push(...branch.initializer);
    nodes.push(...branch.node);
    branch.output.forEach(({ name }, index) => {
      const outer = node.output[index];
      if (outer === undefined || outer === '' || outer === name) return;
      nodes.push(create(NodeProtoSchema, { opType: 'Identity', input: [name], output: [outer] }));
    });
  }
  return { nodes, initializers, isMerged };
}

function branchOf(node: NodeProto, graph: GraphProto): GraphProto | undefined {
  const [condition] = node.input;
  if (node.opType !== 'If' || node.domain !== '' || condition === undefined) return undefined;
  const chosen = choices.get(condition);
  if (chosen === undefined || !graph.input.some(({ name }) => name === condition)) return undefined;
  const wanted = chosen === 0 ? 'else_branch' : 'then_branch';
  return node.attribute.find(({ name }) => name === wanted)?.g;
}
