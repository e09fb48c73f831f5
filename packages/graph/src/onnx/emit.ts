/** Writes a lowered graph as an ONNX file. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import type { Attribute, Branch, Constant, Dim, Graph, GraphNode, Value } from '../ir/graph.ts';
import { onnxElementType } from '../ir/operators.ts';

/** Where a weight's bytes lie: a file in the graph's folder. */
export interface WeightExtent {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Standard operators are used as of this version; the oldest that has all of them keeps the file readable by most tools. */
export const OPSET_VERSION = 21;
const IR_VERSION = 10n;

/** The bytes of an ONNX model. Pure; throws when an abstract node is left, which is a fault of the compiler. */
export function emitOnnx(
  graph: Graph,
  extents: ReadonlyMap<string, WeightExtent>,
  opsetVersion = OPSET_VERSION,
): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: 'octavo',
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(opsetVersion) }),
      create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }),
    ],
    graph: create(GraphProtoSchema, {
      name: 'step',
      input: graph.inputs.map(emitValue),
      output: graph.outputs.map(emitValue),
      initializer: [
        ...graph.constants.map(emitConstant),
        ...graph.weights.map(({ value }) => emitWeight(value, extents.get(value.name))),
      ],
      node: graph.nodes.map(emitNode),
    }),
  });
  return toBinary(ModelProtoSchema, model);
}

function emitBranch(branch: Branch): GraphProto {
  return create(GraphProtoSchema, {
    name: 'branch',
    node: branch.nodes.map(emitNode),
    // No shapes: the two sides of an `If` may differ in them.
    output: branch.outputs.map((value) =>
      create(ValueInfoProtoSchema, { name: value.name, type: emitType(value.type) }),
    ),
  });
}

function emitNode(node: GraphNode): NodeProto {
  if (node.kind !== 'operator') throw new Error(`the ${node.kind} node of layer ${node.layer} was not lowered`);
  return create(NodeProtoSchema, {
    opType: node.operator,
    domain: node.domain,
    input: node.inputs.map((value) => value?.name ?? ''),
    output: node.outputs.map((value) => value?.name ?? ''),
    attribute: Object.entries(node.attributes).map(([name, attribute]) => emitAttribute(name, attribute)),
  });
}

function emitAttribute(name: string, attribute: Attribute): AttributeProto {
  if ('int' in attribute) {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(attribute.int) });
  }
  if ('float' in attribute) {
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: attribute.float });
  }
  if ('ints' in attribute) {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.INTS,
      ints: attribute.ints.map(BigInt),
    });
  }
  if ('floats' in attribute) {
    const floats = [...attribute.floats];
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOATS, floats });
  }
  if ('text' in attribute) {
    const s = Uint8Array.from(new TextEncoder().encode(attribute.text));
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.STRING, s });
  }
  if ('tensor' in attribute) {
    const { type, dims, bytes } = attribute.tensor;
    const t = create(TensorProtoSchema, {
      dataType: onnxElementType[type],
      dims: dims.map(BigInt),
      rawData: Uint8Array.from(bytes),
    });
    return create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.TENSOR, t });
  }
  return create(AttributeProtoSchema, {
    name,
    type: AttributeProto_AttributeType.GRAPH,
    g: emitBranch(attribute.branch),
  });
}

function emitValue(value: Value) {
  return create(ValueInfoProtoSchema, { name: value.name, type: emitType(value.type, value.shape) });
}

function emitType(type: Value['type'], shape?: readonly Dim[]) {
  const tensor = create(TypeProto_TensorSchema, { elemType: onnxElementType[type] });
  if (shape !== undefined) {
    tensor.shape = create(TensorShapeProtoSchema, {
      dim: shape.map((dim) =>
        create(TensorShapeProto_DimensionSchema, {
          value: typeof dim === 'number' ? { case: 'dimValue', value: BigInt(dim) } : { case: 'dimParam', value: dim },
        }),
      ),
    });
  }
  return create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } });
}

function emitConstant(constant: Constant) {
  const { value } = constant;
  return create(TensorProtoSchema, {
    name: value.name,
    dataType: onnxElementType[value.type],
    dims: value.shape.map(BigInt),
    rawData: Uint8Array.from(constant.bytes),
  });
}

function emitWeight(value: Value, extent: WeightExtent | undefined) {
  if (extent === undefined) throw new Error(`weight ${value.name} was given no place`);
  const entry = (key: string, text: string) => create(StringStringEntryProtoSchema, { key, value: text });
  return create(TensorProtoSchema, {
    name: value.name,
    dataType: onnxElementType[value.type],
    dims: value.shape.map(BigInt),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: [
      entry('location', extent.file),
      entry('offset', String(extent.offset)),
      entry('length', String(extent.bytes)),
    ],
  });
}
