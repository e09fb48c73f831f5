/** Which nodes of the export the paged graph keeps: those that queries, keys, values and logits follow from, less everything about shapes, masks and the past. */
import { GraphError } from '../errors.ts';
import { type Analysis, isKeepable } from './analysis.ts';
import { depends, type Fact } from './facts.ts';
import type { ResolvedAttention } from './resolved-attention.ts';
import { shapeOperands } from './row-rules.ts';
import { elementsOf, type SourceNode } from './source-graph.ts';

/** Constants up to this many elements are written into the graph as what they come to, whatever they were computed from. */
const MAX_INLINE = 1 << 12;

export interface KeptNodes {
  /** In an order in which they can run. */
  readonly body: readonly SourceNode[];
  /** Behind the last attention, for logits alone: computed for the rows whose next token is wanted. */
  readonly tail: readonly SourceNode[];
}

/** Throws ONNX_UNSUPPORTED for a node that is needed and cannot be run over rows of several sequences. */
export function findKept(analysis: Analysis, attentions: readonly ResolvedAttention[]): KeptNodes {
  const byOutput = new Map(attentions.map((attention) => [attention.output.name, attention]));
  const bodyRoots = attentions.flatMap(rootsOf);
  const body = reach(analysis, bodyRoots, byOutput);
  const all = reach(analysis, [...bodyRoots, analysis.names.logits], byOutput);
  const kept = analysis.graph.nodes.filter((node) => all.has(node));
  for (const node of kept) checkNode(analysis, node);
  return { body: kept.filter((node) => body.has(node)), tail: kept.filter((node) => !body.has(node)) };
}

function rootsOf({ queries, keys, values, rotation }: ResolvedAttention): string[] {
  const views = [queries, keys, values];
  const tables = rotation === undefined ? [] : [rotation.cosines, rotation.sines];
  return [...views.map(({ name }) => name), ...views.flatMap(({ bias }) => bias?.name ?? []), ...tables];
}

function reach(
  analysis: Analysis,
  roots: readonly string[],
  attended: ReadonlyMap<string, unknown>,
): ReadonlySet<SourceNode> {
  const found = new Set<SourceNode>();
  const names = new Set(roots);
  for (const name of names) {
    const node = analysis.probes.producers.get(name);
    if (node === undefined || attended.has(name) || isLeaf(analysis, name)) continue;
    found.add(node);
    for (const input of dataInputs(analysis, node)) names.add(input);
  }
  return found;
}

/** Inputs whose elements are computed with, and those extents that are no constants of the graph's own. */
function dataInputs(analysis: Analysis, node: SourceNode): string[] {
  const shapes = new Set(shapeOperands(node.operator));
  return node.inputs.filter((name, index) => name !== '' && !shapes.has(index)).map((name) => whole(analysis, name));
}

/** The table that a cut one stands for. */
export function whole(analysis: Analysis, name: string): string {
  let at = name;
  while (analysis.fact(at).isPrefix) at = analysis.probes.producers.get(at)?.inputs[0] as string;
  return at;
}

/** Whether nothing behind the value is needed: it is there from the start, or made anew. */
function isLeaf(analysis: Analysis, name: string): boolean {
  return analysis.fact(name).isPositions || isInline(analysis, name);
}

/** Whether the value is a constant that is written into the graph as it is. */
export function isInline(analysis: Analysis, name: string): boolean {
  const fact = analysis.fact(name);
  if (!fact.isConstant || analysis.graph.initializers.has(name)) return false;
  const count = elementsOf(fact.dims as number[]);
  return count <= MAX_INLINE && analysis.probes.constant(name) !== undefined;
}

function checkNode(analysis: Analysis, node: SourceNode): void {
  const { file } = analysis.graph;
  for (const name of node.outputs) {
    if (name === '') continue;
    const fact = analysis.fact(name);
    // An output that nobody reads may be of any kind.
    if (isKeepable(fact) || !isRead(analysis, name)) continue;
    const message = `${file}: node ${node.label} (${node.operator}) cannot be run over pages: expected ${expectedOf(fact)}`;
    throw new GraphError('ONNX_UNSUPPORTED', message, { file, node: node.label });
  }
}

function isRead(analysis: Analysis, name: string): boolean {
  return name === analysis.names.logits || analysis.graph.nodes.some(({ inputs }) => inputs.includes(name));
}

function expectedOf(fact: Fact): string {
  if (fact.fault !== undefined) return fact.fault;
  if (fact.layer !== undefined) return 'attention that ends in a product of probabilities and values';
  const what = (fact.depends & depends.mask) !== 0 ? 'attention_mask' : 'how many tokens there are';
  return `a value that follows from tokens and positions, and not from ${what}`;
}
