import {
  type Attribute,
  type Branch,
  type Constant,
  type Dim,
  type ElementType,
  elementBytes,
  type Graph,
  type GraphNode,
  type OperatorDomain,
  type PagedAttentionNode,
  type Value,
  type Weight,
  type WeightSource,
} from './graph.ts';

export interface OperatorCall {
  readonly operator: string;
  readonly domain?: OperatorDomain;
  readonly inputs: readonly (Value | null)[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

/** What is common to a graph and all of its branches: names, inputs, constants and weights. */
class Module {
  readonly inputs: Value[] = [];
  readonly outputs: Value[] = [];
  readonly constants = new Map<string, Constant>();
  readonly weights = new Map<string, Weight>();
  #count = 0;

  freshName(prefix: string): string {
    this.#count += 1;
    return `${prefix}_${this.#count}`;
  }
}

/** Appends nodes to a graph or to one of its branches; branches share the graph's names, constants and weights. */
export class GraphBuilder {
  readonly #module: Module;
  readonly #nodes: GraphNode[] = [];

  private constructor(module: Module) {
    this.#module = module;
  }

  static create(): GraphBuilder {
    return new GraphBuilder(new Module());
  }

  input(name: string, type: ElementType, shape: readonly Dim[]): Value {
    const value: Value = { name, type, shape };
    this.#module.inputs.push(value);
    return value;
  }

  /** The input of that name, declared when nobody did so before. */
  sharedInput(name: string, type: ElementType, shape: readonly Dim[]): Value {
    return this.#module.inputs.find((value) => value.name === name) ?? this.input(name, type, shape);
  }

  /** Declares `value` an output of the whole graph; its name must be the output's (see `call`'s last argument). */
  output(value: Value): void {
    this.#module.outputs.push(value);
  }

  /** Appends an operator with one output. */
  call(call: OperatorCall, type: ElementType, shape: readonly Dim[], name?: string): Value {
    const value: Value = { name: name ?? this.#module.freshName(call.operator), type, shape };
    this.append(call, [value]);
    return value;
  }

  /** A value that nothing defines yet, for operators with several outputs. */
  declare(prefix: string, type: ElementType, shape: readonly Dim[]): Value {
    return { name: this.#module.freshName(prefix), type, shape };
  }

  /** Appends an operator that defines `outputs`. */
  append(call: OperatorCall, outputs: readonly (Value | null)[]): void {
    this.#nodes.push({
      kind: 'operator',
      operator: call.operator,
      domain: call.domain ?? '',
      inputs: call.inputs,
      outputs,
      attributes: call.attributes ?? {},
    });
  }

  /** Appends nodes that another builder of the same graph made. */
  appendNode(node: GraphNode): void {
    this.#nodes.push(node);
  }

  /** Appends the abstract attention node and returns its output. */
  pagedAttention(node: Omit<PagedAttentionNode, 'kind' | 'output'>): Value {
    const output = this.declare('attention', 'float32', node.queries.shape);
    this.#nodes.push({ kind: 'paged-attention', ...node, output });
    return output;
  }

  /** int64 tensor of one dimension, written into the graph; equal ones are written once. */
  ints(values: readonly number[]): Value {
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.#constant(`ints_${values.join('_')}`, { type: 'int64', shape: [values.length], bytes });
  }

  /** int64 scalar. */
  int(value: number): Value {
    const bytes = new Uint8Array(BigInt64Array.of(BigInt(value)).buffer);
    return this.#constant(`int_${value}`, { type: 'int64', shape: [], bytes });
  }

  /** float32 tensor, written into the graph; equal ones are written once. */
  floats(values: readonly number[], shape: readonly number[]): Value {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    return this.#constant(`floats_${values.join('_')}_${shape.join('x')}`, { type: 'float32', shape, bytes });
  }

  /** Any small tensor, written into the graph under its own name; the same name gives the same one. */
  tensor(value: Value & { readonly shape: readonly number[] }, bytes: Uint8Array): Value {
    return this.#constant(value.name, { type: value.type, shape: value.shape, bytes });
  }

  /** A tensor kept in a file beside the graph; asking again for the same name gives the same one. */
  weight(value: Value, source: WeightSource): Value {
    const known = this.#module.weights.get(value.name);
    if (known !== undefined) return known.value;
    this.#module.weights.set(value.name, { value, source });
    return value;
  }

  /** Builds one side of an `If`. */
  branch(build: (inner: GraphBuilder) => readonly Value[]): Branch {
    const inner = new GraphBuilder(this.#module);
    const outputs = build(inner);
    return { nodes: inner.#nodes, outputs };
  }

  /** Another list of nodes of the same graph, used by passes that rewrite it. */
  sibling(): GraphBuilder {
    return new GraphBuilder(this.#module);
  }

  finish(): Graph {
    return {
      inputs: this.#module.inputs,
      outputs: this.#module.outputs,
      constants: [...this.#module.constants.values()],
      weights: [...this.#module.weights.values()],
      nodes: this.#nodes,
    };
  }

  /** The nodes appended so far. */
  get nodes(): readonly GraphNode[] {
    return this.#nodes;
  }

  #constant(key: string, tensor: { type: ElementType; shape: readonly number[]; bytes: Uint8Array }): Value {
    const known = this.#module.constants.get(key);
    if (known !== undefined) return known.value;
    const count = tensor.shape.reduce((product, dim) => product * dim, 1);
    if (tensor.bytes.length !== count * elementBytes[tensor.type])
      throw new Error(`constant ${key} has a wrong length`);
    const value: Value = { name: key, type: tensor.type, shape: tensor.shape };
    this.#module.constants.set(key, { value, bytes: tensor.bytes });
    return value;
  }
}
