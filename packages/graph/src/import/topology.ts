/** Puts nodes in an order in which they can run; refuses what is defined twice, never, or by itself. */
import { GraphError } from '../errors.ts';
import type { SourceNode } from './source-graph.ts';

export interface Defined {
  /** As messages call it. */
  readonly file: string;
  /** Names that are there before any node runs. */
  readonly given: ReadonlySet<string>;
}

/** Pure. O(nodes + edges). Throws ONNX_MALFORMED. */
export function orderNodes(nodes: readonly SourceNode[], { file, given }: Defined): SourceNode[] {
  const producer = new Map<string, number>();
  nodes.forEach((node, index) => {
    for (const output of node.outputs) {
      if (output === '') continue;
      if (given.has(output) || producer.has(output)) throw fault(file, node, `defines ${show(output)} a second time`);
      producer.set(output, index);
    }
  });
  const missing = new Int32Array(nodes.length);
  const readers: number[][] = nodes.map(() => []);
  nodes.forEach((node, index) => {
    for (const input of new Set(node.inputs)) {
      if (input === '' || given.has(input)) continue;
      const from = producer.get(input);
      if (from === undefined) throw fault(file, node, `reads ${show(input)}, which nothing defines`);
      missing[index] = (missing[index] as number) + 1;
      (readers[from] as number[]).push(index);
    }
  });
  const ready = nodes.flatMap((_, index) => (missing[index] === 0 ? [index] : []));
  for (let at = 0; at < ready.length; at += 1) {
    for (const reader of readers[ready[at] as number] as number[]) {
      missing[reader] = (missing[reader] as number) - 1;
      if (missing[reader] === 0) ready.push(reader);
    }
  }
  if (ready.length < nodes.length) {
    const stuck = nodes.find((_, index) => (missing[index] as number) > 0) as SourceNode;
    throw fault(file, stuck, 'is part of a cycle: it reads what only follows from it');
  }
  return ready.map((index) => nodes[index] as SourceNode);
}

function fault(file: string, node: SourceNode, what: string): GraphError {
  const message = `${file}: node ${node.label} ${what}; export or fetch the file again`;
  return new GraphError('ONNX_MALFORMED', message, { file, node: node.label });
}

function show(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
