import type { Graph, GraphNode } from './graph.ts';

/** The graph without nodes, constants and weights that none of its outputs depends on. Pure. */
export function prune(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const kept: GraphNode[] = [];
  // Nodes are in the order in which they can run, so one pass from the back is enough.
  for (const node of [...graph.nodes].reverse()) {
    if (!definedBy(node).some((name) => needed.has(name))) continue;
    for (const name of readBy(node)) needed.add(name);
    kept.push(node);
  }
  return {
    ...graph,
    nodes: kept.reverse(),
    constants: graph.constants.filter(({ value }) => needed.has(value.name)),
    weights: graph.weights.filter(({ value }) => needed.has(value.name)),
  };
}

function definedBy(node: GraphNode): string[] {
  if (node.kind !== 'operator') return [node.output.name];
  return node.outputs.flatMap((value) => (value === null ? [] : [value.name]));
}

/** Everything that the node or a branch of it reads, values that the branch defines itself included. */
function readBy(node: GraphNode): string[] {
  if (node.kind !== 'operator') return [node.queries.name, node.keys.name, node.values.name];
  const inputs = node.inputs.flatMap((value) => (value === null ? [] : [value.name]));
  const branches = Object.values(node.attributes).flatMap((attribute) =>
    'branch' in attribute ? [attribute.branch] : [],
  );
  const inBranches = branches.flatMap((branch) => [
    ...branch.nodes.flatMap(readBy),
    ...branch.outputs.map(({ name }) => name),
  ]);
  return [...inputs, ...inBranches];
}
