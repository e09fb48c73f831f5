/**
 * Exports that compute logits for the last row alone (onnxruntime-genai's `prune_lm_head`): a step over pages chooses the rows whose next token
 * is wanted by itself, and the last row of a sequence is not that of a step. So what takes the last row is made to hand all of them on.
 *
 *     x [1, M, hidden] -> Slice(-1:, axis 1) -> [1, 1, hidden]
 *     x [1, M, hidden] -> Gather(-1, axis 1) -> [1, hidden] -> Unsqueeze(1) -> [1, 1, hidden]
 */
import type { Analysis } from './analysis.ts';
import type { Probes } from './probes.ts';
import { intOf, intsOf, type SourceGraph, type SourceNode } from './source-graph.ts';

/**
 * The same graph with all rows where nothing but logits follows from the last one: each row then gives what it gave as the last. Undefined:
 * there is no such place, or logits are those of all rows, some of which read the last one. Pure.
 */
export function withAllRows(analysis: Analysis): SourceGraph | undefined {
  const { graph, names, probes } = analysis;
  if (probes.shape(names.logits)?.dims[1] !== 1) return undefined;
  const kept = keptForLayers(analysis);
  const replaced = new Map<SourceNode, SourceNode>();
  for (const node of graph.nodes) {
    if (kept.has(node)) continue;
    const taken = takesLastRow(analysis, node);
    if (taken === undefined) continue;
    if (taken.dropsAxis) {
      const reader = onlyReader(analysis, node, taken.row);
      if (reader === undefined) continue;
      replaced.set(reader, identityOf(reader));
    }
    replaced.set(node, identityOf(node));
  }
  if (replaced.size === 0) return undefined;
  return { ...graph, nodes: graph.nodes.map((node) => replaced.get(node) ?? node) };
}

/** Nodes that K and V of some layer follow from. */
function keptForLayers({ names, probes }: Analysis): ReadonlySet<SourceNode> {
  const found = new Set<SourceNode>();
  const reached = new Set(names.layers.flatMap(({ presentKey, presentValue }) => [presentKey, presentValue]));
  for (const name of reached) {
    const node = probes.producers.get(name);
    if (node === undefined) continue;
    found.add(node);
    for (const input of node.inputs) reached.add(input);
  }
  return found;
}

interface TakenRow {
  /** The axis of the rows. */
  readonly row: number;
  readonly dropsAxis: boolean;
}

function takesLastRow(analysis: Analysis, node: SourceNode): TakenRow | undefined {
  const { probes } = analysis;
  const [x = '', index = ''] = node.inputs;
  if (node.domain !== '' || (node.operator !== 'Slice' && node.operator !== 'Gather')) return undefined;
  const { row, dims, fault } = analysis.fact(x);
  if (row === undefined || dims[row] !== 'M' || fault !== undefined) return undefined;
  const isLast = probes.isEverywhere(index, () => [-1]) || probes.isEverywhere(index, ({ rows }) => [rows - 1]);
  if (!isLast || axisOf(probes, node, dims.length) !== row) return undefined;
  const out = probes.shape(node.outputs[0] ?? '')?.dims ?? [];
  const one = dims.map((dim, axis) => (axis === row ? 1 : dim));
  if (sameDims(out, one)) return { row, dropsAxis: false };
  const without = dims.filter((_, axis) => axis !== row);
  return node.operator === 'Gather' && sameDims(out, without) ? { row, dropsAxis: true } : undefined;
}

function axisOf(probes: Probes, node: SourceNode, rank: number): number | undefined {
  const axes = node.operator === 'Gather' ? [intOf(node, 'axis', 0)] : probes.constant(node.inputs[3] ?? '');
  return axes?.length === 1 ? ((axes[0] as number) + rank) % rank : undefined;
}

/** The Unsqueeze that puts the axis back, when nobody else reads what was gathered. */
function onlyReader({ graph, probes }: Analysis, node: SourceNode, row: number): SourceNode | undefined {
  const readers = graph.nodes.filter(({ inputs }) => inputs.includes(node.outputs[0] as string));
  const [reader] = readers;
  if (reader === undefined || readers.length > 1 || reader.operator !== 'Unsqueeze') return undefined;
  const axes = intsOf(reader, 'axes') ?? probes.constant(reader.inputs[1] ?? '');
  const rank = probes.shape(reader.outputs[0] ?? '')?.dims.length ?? 1;
  return axes?.length === 1 && ((axes[0] as number) + rank) % rank === row ? reader : undefined;
}

function identityOf(node: SourceNode): SourceNode {
  return { ...node, operator: 'Identity', inputs: node.inputs.slice(0, 1), attributes: new Map() };
}

function sameDims(left: readonly unknown[], right: readonly unknown[]): boolean {
  return left.length === right.length && left.every((dim, axis) => dim === right[axis]);
}
