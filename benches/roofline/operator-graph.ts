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

/** A matrix [into, out]. */
export interface ProductShape {
  readonly into: number;
  readonly out: number;
}

/** Name of the input that products of that width read. */
export function inputOf(into: number): string {
  return `x_${into}`;
}

/**
 * Products of inputs [rows, into], one for each distinct width, with a matrix each; what they sum up to comes out. Kind `q4` as the engine's
 * linear layers, or plain float32. The caller asks for so many that no cache holds them.
 */
export function productGraph(of: {
  readonly kind: 'q4' | 'f32';
  readonly products: readonly ProductShape[];
}): Uint8Array {
  const { products, kind } = of;
  const initializers: TensorProto[] = [];
  const nodes: NodeProto[] = [];
  const sums = new Map<number, string[]>();
  for (const [index, { into, out }] of products.entries()) {
    const product = `product_${index}`;
    const place = { index, into, out, product };
    nodes.push(kind === 'q4' ? q4Product(initializers, place) : floatProduct(initializers, place));
    sums.set(out, [...(sums.get(out) ?? []), product]);
  }
  for (const [out, terms] of sums) {
    nodes.push(node('Sum', terms, `total_${out}`));
    nodes.push(node('ReduceSum', [`total_${out}`], `y_${out}`, { keepdims: 0 }));
  }
  const widths = [...new Set(products.map(({ into }) => into))];
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
        input: widths.map((into) => tensorValue(inputOf(into), into)),
        output: [...sums.keys()].map((out) => create(ValueInfoProtoSchema, { name: `y_${out}`, type: floatType() })),
        initializer: initializers,
        node: nodes,
      }),
    }),
  );
}

interface ProductPlace extends ProductShape {
  readonly index: number;
  readonly product: string;
}

function q4Product(initializers: TensorProto[], { index, into, out, product }: ProductPlace): NodeProto {
  const blocks = Math.ceil(into / BLOCK);
  const codes = new Uint8Array((out * blocks * BLOCK) / 2);
  // No two matrices alike: those that are were read 1.7 times as fast as memory gives different ones.
  for (let at = 0; at < codes.length; at++) codes[at] = Math.imul(at + index, 2_654_435_761) >>> 13;
  const scales = new Float32Array(out * blocks).fill(0.01);
  initializers.push(tensor(`codes_${index}`, 'uint8', [out, blocks, BLOCK / 2], codes));
  initializers.push(tensor(`scales_${index}`, 'float32', [out * blocks], new Uint8Array(scales.buffer)));
  const attributes = { K: into, N: out, bits: 4, block_size: BLOCK, accuracy_level: 4 };
  const inputs = [inputOf(into), `codes_${index}`, `scales_${index}`];
  return { ...node('MatMulNBits', inputs, product, attributes), domain: 'com.microsoft' };
}

function floatProduct(initializers: TensorProto[], { index, into, out, product }: ProductPlace): NodeProto {
  const elements = new Float32Array(into * out).fill(0.01 + index / 1_000);
  initializers.push(tensor(`matrix_${index}`, 'float32', [into, out], new Uint8Array(elements.buffer)));
  return node('MatMul', [inputOf(into), `matrix_${index}`], product);
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
