/** Reads an ONNX file into plain values. Every length in it is checked against what is there before anything is made of it. */
import { fromBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type ValueInfoProto,
} from 'onnx-buf';
import { GraphError } from '../errors.ts';
import { readExactly } from '../weights/exact-bytes.ts';
import { chooseBranches } from './chosen-branch.ts';
import type { SourceFiles } from './external-data.ts';
import { elementTypeOf, readTensor, type TensorContext } from './read-tensor.ts';
import type { SourceAttribute, SourceGraph, SourceNode, SourceTensor, SourceValue } from './source-graph.ts';
import { orderNodes } from './topology.ts';

/** Protobuf's own limit. */
const MAX_ONNX_BYTES = 2 ** 31 - 1;
const OLDEST_OPSET = 11;
const NEWEST_OPSET = 24;
const domains: ReadonlyMap<string, string> = new Map([
  ['', ''],
  ['ai.onnx', ''],
  ['com.microsoft', 'com.microsoft'],
]);

/** Reads the file and opens those with external data. Throws ONNX_MISSING, ONNX_MALFORMED, ONNX_UNSUPPORTED, ONNX_DATA_MISSING, ONNX_DATA_OUTSIDE, TENSOR_DTYPE. */
export async function readOnnx(file: string, files: SourceFiles): Promise<SourceGraph> {
  const onnx = await files.openOnnx();
  if (onnx.bytes > MAX_ONNX_BYTES) throw malformed(file, `has ${onnx.bytes} bytes, more than the format allows`);
  const bytes = new Uint8Array(onnx.bytes);
  await readExactly(onnx.reader, bytes, { file: onnx.name, offset: 0 });
  const model = parse(bytes, file);
  const graph = model.graph;
  if (graph === undefined || graph.node.length === 0) throw malformed(file, 'holds no graph');
  const opset = readOpset(model, file);
  return readGraph(graph, opset, { file, onnx, bytes, files });
}

function parse(bytes: Uint8Array, file: string): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch (cause) {
    throw malformed(file, 'is no ONNX model', cause);
  }
}

function readOpset(model: ModelProto, file: string): number {
  if (model.functions.length > 0) throw unsupported(file, 'defines functions of its own: export it with them inlined');
  const standard = model.opsetImport.find(({ domain }) => domains.get(domain) === '');
  const opset = Number(standard?.version ?? 0);
  if (opset < OLDEST_OPSET || opset > NEWEST_OPSET) {
    throw unsupported(file, `is of opset ${opset}: export it with one from ${OLDEST_OPSET} to ${NEWEST_OPSET}`);
  }
  return opset;
}

async function readGraph(graph: GraphProto, opset: number, context: TensorContext): Promise<SourceGraph> {
  const { file, files } = context;
  if (graph.sparseInitializer.length > 0) throw unsupported(file, 'has sparse initializers: export it with dense ones');
  const chosen = chooseBranches(graph);
  const initializers = new Map<string, SourceTensor>();
  for (const tensor of chosen.initializers) {
    if (initializers.has(tensor.name) || tensor.name === '')
      throw malformed(file, `has two initializers named ${JSON.stringify(tensor.name)}`);
    initializers.set(tensor.name, await readTensor(tensor, tensor.name, context));
  }
  // Older exporters list initializers among the inputs as well.
  const inputs = graph.input.filter(({ name }) => !initializers.has(name)).map(readValue);
  const outputs = graph.output.map(readValue);
  const given = new Set([...initializers.keys(), ...inputs.map(({ name }) => name)]);
  if (new Set(inputs.map(({ name }) => name)).size < inputs.length) throw malformed(file, 'has two inputs of one name');
  const nodes: SourceNode[] = [];
  for (const node of chosen.nodes) nodes.push(await readNode(node, context));
  const { isMerged } = chosen;
  const ordered = orderNodes(nodes, { file, given });
  return { file, opset, inputs, outputs, initializers, nodes: ordered, isMerged, files: files.files };
}

async function readNode(node: NodeProto, context: TensorContext): Promise<SourceNode> {
  const label = (node.name || `${node.opType} (${node.output[0] ?? ''})`).slice(0, 200);
  const domain = domains.get(node.domain);
  const attributes = new Map<string, SourceAttribute>();
  for (const attribute of node.attribute)
    attributes.set(attribute.name, await readAttribute(attribute, label, context));
  return {
    label,
    operator: node.opType,
    // A domain that is not known keeps its name, so that the node is refused by it if it is needed at all.
    domain: domain ?? node.domain,
    inputs: node.input,
    outputs: node.output,
    attributes,
  };
}

async function readAttribute(
  attribute: AttributeProto,
  node: string,
  context: TensorContext,
): Promise<SourceAttribute> {
  switch (attribute.type) {
    case AttributeType.INT:
      return { kind: 'int', int: Number(attribute.i) };
    case AttributeType.FLOAT:
      return { kind: 'float', float: attribute.f };
    case AttributeType.STRING:
      return { kind: 'text', text: new TextDecoder().decode(attribute.s) };
    case AttributeType.INTS:
      return { kind: 'ints', ints: attribute.ints.map(Number) };
    case AttributeType.FLOATS:
      return { kind: 'floats', floats: attribute.floats };
    case AttributeType.TENSOR:
      if (attribute.t === undefined) break;
      return { kind: 'tensor', tensor: await readTensor(attribute.t, `of node ${node}`, context) };
    default:
  }
  return { kind: 'other' };
}

function readValue(value: ValueInfoProto): SourceValue {
  const tensor = value.type?.value.case === 'tensorType' ? value.type.value.value : undefined;
  const dims = tensor?.shape?.dim.map(({ value: dim }) =>
    dim.case === 'dimValue' ? Number(dim.value) : dim.case === 'dimParam' ? dim.value : '',
  );
  return { name: value.name, type: tensor === undefined ? undefined : elementTypeOf(tensor.elemType), dims };
}

function malformed(file: string, what: string, cause?: unknown): GraphError {
  return new GraphError('ONNX_MALFORMED', `${file} ${what}: export or fetch the file again`, { file, cause });
}

function unsupported(file: string, what: string): GraphError {
  return new GraphError('ONNX_UNSUPPORTED', `${file} ${what}`, { file });
}
