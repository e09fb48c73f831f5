/** One-operator graphs, to measure what this machine gives the runtime at best. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';

const elementType = { float32: 1, uint8: 2 } as const;
const BLOCK = 32;

/** Bytes of a q4 matrix of that many elements: 4 bits each, and a float32 scale a block. */
export function q4Bytes(elements: number): number {
  return elements / 2 + (4 * elements) / BLOCK;
}

/**
 * `count` products of one input [rows, size] with a matrix [size, size] each, whose sum comes out as one row: so many matrices that no cache
 * holds them. Kind `q4` as the engine's linear layers, or plain float32.
 */
export function productGraph(of: {
  readonly kind: 'q4' | 'f32';
  readonly size: number;
  readonly count: number;
}): Uint8Array {
  const { size, count, kind } = of;
  const initializers: TensorProto[] = [];
  const nodes: NodeProto[] = [];
  for (let index = 0; index < count; index++) {
    const product = `product_${index}`;
    nodes.push(
      kind === 'q4'
        ? q4Product(initializers, { index, size, product })
        : floatProduct(initializers, { index, size, product }),
    );
  }
  nodes.push(
    node(
      'Sum',
      Array.from({ length: count }, (_, index) => `product_${index}`),
      'total',
    ),
  );
  nodes.push(node('ReduceSum', ['total'], 'y', { keepdims: 0 }));
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 10n,
      opsetImport: [
        create(OperatorSetIdProtoSchema, { domain: '', version: 21n }),
        create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }),
      ],
      graph: create(GraphProtoSchema, {
        name: 'products',
        input: [tensorValue('x', size)],
        output: [create(ValueInfoProtoSchema, { name: 'y', type: floatType() })],
        initializer: initializers,
        node: nodes,
      }),
    }),
  );
}

interface ProductPlace {
  readonly index: number;
  readonly size: number;
  readonly product: string;
}

function q4Product(initializers: TensorProto[], { index, size, product }: ProductPlace): NodeProto {
  const blocks = size / BLOCK;
  const codes = new Uint8Array((size * size) / 2).fill(0x79 + (index % 4));
  const scales = new Float32Array(size * blocks).fill(0.01);
  initializers.push(tensor(`codes_${index}`, 'uint8', [size, blocks, BLOCK / 2], codes));
  initializers.push(tensor(`scales_${index}`, 'float32', [size * blocks], new Uint8Array(scales.buffer)));
  const attributes = { K: size, N: size, bits: 4, block_size: BLOCK, accuracy_level: 4 };
  const inputs = ['x', `codes_${index}`, `scales_${index}`];
  return { ...node('MatMulNBits', inputs, product, attributes), domain: 'com.microsoft' };
}

function floatProduct(initializers: TensorProto[], { index, size, product }: ProductPlace): NodeProto {
  const elements = new Float32Array(size * size).fill(0.01 + index / 1_000);
  initializers.push(tensor(`matrix_${index}`, 'float32', [size, size], new Uint8Array(elements.buffer)));
  return node('MatMul', ['x', `matrix_${index}`], product);
}

function node(
  opType: string,
  input: string[],
  output: string,
  attributes: Readonly<Record<string, number>> = {},
): NodeProto {
  return create(NodeProtoSchema, {
    opType,
    input,
    output: [output],
    attribute: Object.entries(attributes).map(([name, value]) =>
      create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.INT, i: BigInt(value) }),
    ),
  });
}

function tensor(
  name: string,
  type: keyof typeof elementType,
  dims: readonly number[],
  rawData: Uint8Array,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType: elementType[type],
    dims: dims.map(BigInt),
    rawData: Uint8Array.from(rawData),
  });
}

function tensorValue(name: string, width: number) {
  const dims = [
    create(TensorShapeProto_DimensionSchema, { value: { case: 'dimParam', value: 'rows' } }),
    create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: BigInt(width) } }),
  ];
  return create(ValueInfoProtoSchema, { name, type: floatType(create(TensorShapeProtoSchema, { dim: dims })) });
}

function floatType(shape?: ReturnType<typeof create<typeof TensorShapeProtoSchema>>) {
  const value = create(TypeProto_TensorSchema, { elemType: elementType.float32 });
  if (shape !== undefined) value.shape = shape;
  return create(TypeProtoSchema, { value: { case: 'tensorType', value } });
}
