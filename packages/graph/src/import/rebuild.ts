/** Builds the paged graph out of what is kept of the export: tokens and positions in, attention over pages, head rows out. */
import { emitCandidates } from '../blocks/candidates.ts';
import { emitGreedy } from '../blocks/greedy.ts';
import { GraphError } from '../errors.ts';
import type { GraphBuilder } from '../ir/builder.ts';
import type { Attribute, Dim, ElementType, Value } from '../ir/graph.ts';
import { cast, concat, dimension, gather, reshape } from '../ir/operators.ts';
import { stepInputs } from '../step-interface.ts';
import type { Analysis } from './analysis.ts';
import { bytesOf } from './evaluate/evaluation.ts';
import { encode } from './evaluate/tensor.ts';
import { findKept, isInline, whole } from './kept-nodes.ts';
import { PagedRows } from './paged-rows.ts';
import type { SourceDim } from './probes.ts';
import type { ResolvedAttention } from './resolved-attention.ts';
import { shapeOperands } from './row-rules.ts';
import type { SourceAttribute, SourceNode, SourceTensor } from './source-graph.ts';
import { upgrade } from './upgrade.ts';

/** Tensors up to so many bytes are written into the graph: operators want their axes there, and a file entry costs as much. */
const MAX_EMBEDDED_BYTES = 1 << 10;

/** Which rows a part of the graph is computed for. */
interface Part {
  readonly values: Map<string, Value>;
  /** Name of the number of rows. */
  readonly rowDim: 'M' | 'H';
  /** int32, of that many. */
  readonly rowsOf: Value;
}

export class Rebuild {
  readonly #graph: GraphBuilder;
  readonly #analysis: Analysis;
  readonly #tokens: Value;
  readonly #positions: Value;
  readonly #headRows: Value;
  readonly #body: Part;
  readonly #tail: Part;
  /** Weights of the graph and the tensors that they are. */
  readonly weights = new Map<string, SourceTensor>();

  constructor(graph: GraphBuilder, analysis: Analysis) {
    this.#graph = graph;
    this.#analysis = analysis;
    this.#tokens = graph.input(stepInputs.tokens, 'int32', ['M']);
    this.#positions = graph.input(stepInputs.positions, 'int32', ['M']);
    this.#headRows = graph.input(stepInputs.headRows, 'int32', ['H']);
    this.#body = { values: new Map(), rowDim: 'M', rowsOf: this.#tokens };
    this.#tail = { values: new Map(), rowDim: 'H', rowsOf: this.#headRows };
  }

  /** Appends everything. Throws ONNX_UNSUPPORTED. */
  build(attentions: readonly ResolvedAttention[]): void {
    const fullRows = this.#graph.input(stepInputs.fullRows, 'int32', ['F']);
    const kept = findKept(this.#analysis, attentions);
    const rows = new PagedRows(this.#graph, {
      positions: this.#positions,
      read: (name) => this.#read(this.#body, name),
    });
    const pending = new Map(attentions.map((attention) => [attention.output.name, attention]));
    // Attention is appended as soon as somebody reads it, so that nodes stay in an order in which they can run.
    this.#attend = (name) => {
      const attention = pending.get(name);
      if (attention === undefined) return undefined;
      pending.delete(name);
      return rows.attend(attention, this.#analysis.fact(name).type);
    };
    for (const node of kept.body) this.#append(this.#body, node);
    for (const attention of attentions)
      if (pending.has(attention.output.name)) this.#read(this.#body, attention.output.name);
    for (const node of kept.tail) this.#append(this.#tail, node);
    this.#emitHead(fullRows);
  }

  #attend: (name: string) => Value | undefined = () => undefined;

  /** A value of the export in a part of the graph, made when it is not there yet. */
  #read(part: Part, given: string): Value {
    const name = whole(this.#analysis, given);
    const known = part.values.get(name);
    if (known !== undefined) return known;
    const made = this.#make(part, name);
    part.values.set(name, made);
    return made;
  }

  #make(part: Part, name: string): Value {
    const { graph, names } = this.#analysis;
    const initializer = graph.initializers.get(name);
    if (initializer !== undefined) return this.#weight(initializer);
    const fact = this.#analysis.fact(name);
    if (isInline(this.#analysis, name)) return this.#inline(name);
    if (part === this.#tail) {
      // A row of the step that the tail reads: only head rows of it are.
      const rows = this.#read(this.#body, name);
      return fact.row === undefined ? rows : gather(this.#graph, rows, this.#headRows, fact.row);
    }
    if (name === names.tokens) return this.#asRow(this.#tokens, fact);
    if (fact.isPositions) return this.#asRow(this.#positions, fact);
    const attended = this.#attend(name);
    if (attended !== undefined) return attended;
    throw new Error(`value ${name} is read before it is made`);
  }

  /** Tokens or positions in the shape that the export has them in. */
  #asRow(column: Value, { type, dims }: { type: ElementType; dims: readonly SourceDim[] }): Value {
    const shape = this.#shape(dims, 'M');
    const wide = cast(this.#graph, column, type);
    return reshape(this.#graph, wide, { to: shape.map((dim) => (dim === 'M' ? -1 : (dim as number))), shape });
  }

  #shape(dims: readonly SourceDim[], rowDim: Dim): Dim[] {
    return dims.map((dim) => (dim === 'M' ? rowDim : typeof dim === 'number' ? dim : String(dim)));
  }

  #weight(tensor: SourceTensor): Value {
    const value = { name: `model:${tensor.name}`, type: tensor.type, shape: tensor.dims };
    if (tensor.byteLength <= MAX_EMBEDDED_BYTES) return this.#graph.tensor(value, bytesOf(tensor));
    this.weights.set(value.name, tensor);
    return this.#graph.weight(value, { kind: 'imported' });
  }

  #inline(name: string): Value {
    const { type, dims } = this.#analysis.fact(name);
    const elements = this.#analysis.probes.constant(name) as Float64Array;
    return this.#graph.tensor({ name: `value:${name}`, type, shape: dims as number[] }, encode(type, elements));
  }

  #append(part: Part, node: SourceNode): void {
    const extents = new Set(shapeOperands(node.operator));
    const inputs = node.inputs.map((name, index) => {
      if (name === '') return null;
      if (!extents.has(index)) return this.#read(part, name);
      return node.operator === 'Reshape' ? this.#reshapeTarget(node) : this.#extents(part, node, name);
    });
    while (inputs.at(-1) === null) inputs.pop();
    const attributes: Record<string, Attribute> = {};
    for (const [name, attribute] of node.attributes) attributes[name] = this.#attribute(node, name, attribute);
    const made = upgrade(
      this.#graph,
      node,
      { operator: node.operator, inputs, attributes },
      this.#analysis.graph.opset,
    );
    const outputs = node.outputs.map((name) => {
      if (name === '') return null;
      const { type, dims } = this.#analysis.fact(name);
      return this.#graph.declare(node.operator, type, this.#shape(dims, part.rowDim));
    });
    const domain = node.domain === 'com.microsoft' ? node.domain : '';
    this.#graph.append({ operator: made.operator, domain, inputs: made.inputs, attributes: made.attributes }, outputs);
    node.outputs.forEach((name, index) => {
      const value = outputs[index];
      if (value) part.values.set(name, value);
    });
  }

  /** What comes out is known, so only the number of rows is left open. */
  #reshapeTarget(node: SourceNode): Value {
    const { dims } = this.#analysis.fact(node.outputs[0] as string);
    return this.#graph.ints(dims.map((dim) => (typeof dim === 'number' ? dim : -1)));
  }

  /** A list of extents or axes, with the number of rows put in where the export computed it. */
  #extents(part: Part, node: SourceNode, name: string): Value {
    const { probes } = this.#analysis;
    const { type } = this.#analysis.fact(name);
    const dims = probes.dims(name);
    if (dims?.every((dim) => typeof dim === 'number')) {
      const shape = probes.shape(name)?.dims as number[];
      const key = `extents:${type}:${shape.length}:${dims}`;
      return this.#graph.tensor({ name: key, type, shape }, encode(type, Float64Array.from(dims)));
    }
    if (dims === undefined || dims.some((dim) => typeof dim === 'string' && dim !== 'M')) {
      // A slice of all rows ends wherever the exporter put the end.
      if (node.operator === 'Slice')
        return this.#graph.ints((dims ?? []).map((dim) => (typeof dim === 'number' ? dim : Number.MAX_SAFE_INTEGER)));
      throw this.#unsupported(node, 'extents that follow from the number of rows alone');
    }
    const rows = dimension(this.#graph, part.rowsOf, 0);
    const parts = dims.map((dim) => (dim === 'M' ? rows : this.#graph.ints([dim as number])));
    return concat(this.#graph, parts, { axis: 0, shape: [dims.length] });
  }

  #attribute(node: SourceNode, name: string, attribute: SourceAttribute): Attribute {
    switch (attribute.kind) {
      case 'int':
        return { int: attribute.int };
      case 'float':
        return { float: attribute.float };
      case 'ints':
        return { ints: attribute.ints };
      case 'floats':
        return { floats: attribute.floats };
      case 'text':
        return { text: attribute.text };
      case 'tensor': {
        const { type, dims } = attribute.tensor;
        return { tensor: { type, dims, bytes: bytesOf(attribute.tensor) } };
      }
      case 'other':
        throw this.#unsupported(node, `an attribute ${name} that is a number, a text or a tensor`);
    }
  }

  #emitHead(fullRows: Value): void {
    const { logits: name } = this.#analysis.names;
    const fact = this.#analysis.fact(name);
    const vocabulary = fact.dims.at(-1) as number;
    const raw = this.#read(this.#tail, name);
    const wide = raw.type === 'float32' ? raw : cast(this.#graph, raw, 'float32');
    const flat = reshape(this.#graph, wide, { to: [-1, vocabulary], shape: ['H', vocabulary] });
    emitGreedy(this.#graph, flat);
    const finish = (inner: GraphBuilder, rows: Value, as?: string) =>
      inner.call({ operator: 'Identity', inputs: [rows] }, 'float32', rows.shape, as);
    emitCandidates(this.#graph, { raw: flat, finish, fullRows });
  }

  #unsupported(node: SourceNode, expected: string): GraphError {
    const { file } = this.#analysis.graph;
    const message = `${file}: node ${node.label} (${node.operator}) cannot be run over pages: expected ${expected}`;
    return new GraphError('ONNX_UNSUPPORTED', message, { file, node: node.label });
  }
}
