/** One pass over the graph that works out the facts of every value and where attention begins and ends. */
import { depends, type Fact, FOREIGN, noFact } from './facts.ts';
import type { PastInterface } from './interface.ts';
import { type Probes, positionsOf, type SourceDim } from './probes.ts';
import { type RowOperand, rowsOf, shapeOperands } from './row-rules.ts';
import { intsOf, type SourceGraph, type SourceNode } from './source-graph.ts';

/** Attention written with plain operators: everything between K, V and this output. */
export interface OperatorSite {
  readonly kind: 'operators';
  readonly layer: number;
  /** The product of probabilities and values. */
  readonly node: SourceNode;
  readonly output: string;
}

/** Attention as one node that takes past keys and values. */
export interface NodeSite {
  readonly kind: 'node';
  readonly layer: number;
  readonly node: SourceNode;
  readonly output: string;
}

export type AttentionSite = OperatorSite | NodeSite;

const attentionOperators = new Set(['com.microsoft.GroupQueryAttention', 'com.microsoft.MultiHeadAttention']);

export class Analysis {
  readonly graph: SourceGraph;
  readonly names: PastInterface;
  readonly probes: Probes;
  readonly sites: AttentionSite[] = [];
  readonly #facts = new Map<string, Fact>();
  /** Past inputs and present outputs by name. */
  readonly #layers = new Map<string, number>();

  constructor(graph: SourceGraph, names: PastInterface, probes: Probes) {
    this.graph = graph;
    this.names = names;
    this.probes = probes;
    names.layers.forEach(({ pastKey, pastValue }, layer) => {
      this.#layers.set(pastKey, layer);
      this.#layers.set(pastValue, layer);
    });
    for (const name of graph.initializers.keys()) this.#setConstant(name);
    for (const { name } of graph.inputs) this.#setInput(name);
    for (const node of graph.nodes) this.#visit(node);
  }

  /** A value that nothing is known of has a fault. */
  fact(name: string): Fact {
    return this.#facts.get(name) ?? { ...noFact, fault: 'a value whose shape can be worked out' };
  }

  /** Whether the value lies inside attention. */
  layerOf(name: string): number | undefined {
    return this.#facts.get(name)?.layer;
  }

  #setConstant(name: string): void {
    const shape = this.probes.shape(name);
    if (shape !== undefined) this.#facts.set(name, { ...noFact, ...shape, isConstant: true });
  }

  #setInput(name: string): void {
    const shape = this.probes.shape(name);
    if (shape === undefined) return;
    const { tokens, mask, positions } = this.names;
    const layer = this.#layers.get(name);
    const isPositions = name === positions;
    const bits = name === tokens ? depends.tokens : isPositions ? depends.positions : name === mask ? depends.mask : 0;
    const row = name === tokens || isPositions ? 1 : undefined;
    this.#facts.set(name, {
      ...noFact,
      ...shape,
      row,
      isPositions,
      layer,
      depends: layer === undefined ? bits : depends.past,
      isConstant: Object.hasOwn(this.names.constants, name),
    });
  }

  #visit(node: SourceNode): void {
    const key = node.domain === '' ? node.operator : `${node.domain}.${node.operator}`;
    const layers = new Set(node.inputs.flatMap((name) => this.layerOf(name) ?? []));
    if (attentionOperators.has(key) && layers.size === 1) this.#visitAttention(node, [...layers][0] as number);
    else if (layers.size > 0 && node.operator !== 'Shape' && node.operator !== 'Size') this.#visitInside(node, layers);
    else this.#visitPlain(node);
  }

  /** Attention as one node: rows in, rows out. */
  #visitAttention(node: SourceNode, layer: number): void {
    const output = node.outputs[0] ?? '';
    const shape = this.probes.shape(output);
    this.sites.push({ kind: 'node', layer, node, output });
    if (shape?.dims[1] === 'M') this.#facts.set(output, { ...noFact, ...shape, row: 1, depends: depends.tokens });
    for (const name of node.outputs.slice(1)) this.#facts.set(name, { ...noFact, layer, depends: depends.past });
  }

  /** A node inside attention gives a value inside attention, until the past's extent is gone and what is left has the shape of rows. */
  #visitInside(node: SourceNode, layers: ReadonlySet<number>): void {
    const [layer] = layers;
    node.outputs.forEach((name) => {
      const shape = this.probes.shape(name);
      const fault = layers.size > 1 ? 'attention of one layer to its own past' : undefined;
      const inside: Fact = { ...noFact, ...shape, layer, depends: depends.past, fault };
      const row = shape?.dims.indexOf('M') ?? -1;
      if (fault === undefined && shape !== undefined && this.#isAttended(node, shape.dims)) {
        this.sites.push({ kind: 'operators', layer: layer as number, node, output: name });
        this.#facts.set(name, { ...noFact, ...shape, row, depends: depends.tokens });
      } else this.#facts.set(name, inside);
    });
  }

  /** [.., M, .., head size] out of a product, with all query heads. */
  #isAttended(node: SourceNode, dims: readonly SourceDim[]): boolean {
    if (node.operator !== 'MatMul' && node.operator !== 'FusedMatMul') return false;
    const counts = dims.filter((dim) => typeof dim === 'number');
    const { kvHeads, headDim } = this.names;
    const width = counts.reduce((product, dim) => product * dim, 1);
    return (
      counts.length === dims.length - 1 &&
      dims.includes('M') &&
      dims.at(-1) === headDim &&
      width % (kvHeads * headDim) === 0
    );
  }

  #visitPlain(node: SourceNode): void {
    const operands = node.inputs.map((name) => (name === '' ? undefined : this.fact(name)));
    const skipped = new Set(shapeOperands(node.operator));
    const bits = operands.reduce(
      (sum, operand, index) => (skipped.has(index) ? sum : sum | (operand?.depends ?? 0)),
      0,
    );
    const shapes = node.outputs.map((name) => (name === '' ? undefined : this.probes.shape(name)));
    const rows = rowsOf({
      node,
      opset: this.graph.opset,
      inputs: operands.map((operand, index): RowOperand | undefined => (skipped.has(index) ? undefined : operand)),
      outputs: shapes.map((shape) => shape?.dims),
      ints: (attribute, input) => intsOf(node, attribute) ?? this.#constantInts(node.inputs[input]),
    });
    node.outputs.forEach((name, index) => {
      if (name === '') return;
      const shape = shapes[index];
      if (shape === undefined) return;
      const own = this.#dependsOf(node, bits, operands);
      const plain: Fact = {
        ...noFact,
        ...shape,
        depends: own,
        row: typeof rows === 'string' ? undefined : rows[index],
        fault: typeof rows === 'string' ? rows : this.#faultOf(operands, skipped, shape.dims, node),
      };
      this.#facts.set(name, this.#refined(node, name, plain));
    });
  }

  /** Extents are what they are at every size: a Shape follows from no element. */
  #dependsOf(node: SourceNode, bits: number, operands: readonly (Fact | undefined)[]): number {
    if (node.operator !== 'Shape' && node.operator !== 'Size') return bits;
    const dims = operands[0]?.dims ?? [];
    const ofRows = dims.includes('M') || dims.includes('T') || dims.includes('?') ? depends.rowCount : 0;
    return ofRows | (dims.some((dim) => dim === 'T' || dim === 'P' || dim === '?') ? depends.pastCount : 0);
  }

  #faultOf(
    operands: readonly (Fact | undefined)[],
    skipped: ReadonlySet<number>,
    dims: readonly SourceDim[],
    node: SourceNode,
  ): string | undefined {
    const inherited = operands.find((operand, index) => !skipped.has(index) && operand?.fault !== undefined);
    if (inherited !== undefined && node.operator !== 'Shape') return inherited.fault;
    const isPrefixRead = operands.some((operand) => operand?.isPrefix) && node.operator !== 'Gather';
    if (isPrefixRead) return 'a table that rows choose from by their positions';
    return dims.some((dim) => dim === 'T' || dim === 'P' || dim === '?')
      ? 'extents that do not follow the past'
      : undefined;
  }

  /** What the elements tell beyond the operator: constants, positions, tables cut to a length. */
  #refined(node: SourceNode, name: string, plain: Fact): Fact {
    if ((plain.depends & (depends.tokens | depends.past)) !== 0) return plain;
    const isSized = plain.dims.every((dim) => typeof dim === 'number');
    if (isSized && (plain.depends === 0 || this.probes.constant(name) !== undefined)) {
      return { ...noFact, type: plain.type, dims: plain.dims, isConstant: true };
    }
    if (this.#isPositions(name, plain)) {
      const row = plain.dims.indexOf('M');
      return { ...noFact, type: plain.type, dims: plain.dims, row, depends: depends.positions, isPositions: true };
    }
    const isPrefix =
      node.operator === 'Slice' &&
      this.fact(node.inputs[0] as string).isConstant &&
      plain.dims.filter((dim) => dim === 'T').length === 1;
    if (isPrefix && plain.dims.every((dim) => typeof dim === 'number' || dim === 'T') && this.#startsAtZero(node)) {
      return { ...plain, depends: 0, isPrefix: true, fault: undefined };
    }
    return plain;
  }

  #isPositions(name: string, { type, dims, depends: bits }: Fact): boolean {
    if ((type !== 'int64' && type !== 'int32') || bits === 0) return false;
    const others = dims.filter((dim) => dim !== 'M');
    return (
      others.length === dims.length - 1 &&
      others.every((dim) => dim === 1) &&
      this.probes.isEverywhere(name, positionsOf)
    );
  }

  #startsAtZero(node: SourceNode): boolean {
    const starts = intsOf(node, 'starts') ?? this.#constantInts(node.inputs[1]);
    const steps = node.inputs[4] === undefined ? [1] : this.#constantInts(node.inputs[4]);
    return starts?.every((start) => start === 0) === true && steps?.every((step) => step === 1) === true;
  }

  #constantInts(name: string | undefined): readonly number[] | undefined {
    const elements = name ? this.probes.constant(name) : undefined;
    return elements && [...elements];
  }
}

/** Whether a value may be computed over rows of several sequences: it has no fault and follows from nothing that differs among them. */
export function isKeepable(fact: Fact): boolean {
  return fact.fault === undefined && fact.layer === undefined && (fact.depends & FOREIGN) === 0;
}
