/** Writes ONNX files node by node, as exporters do. Used by tests. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from 'onnx-buf';
import { randomFloats } from '../compare.testing.ts';
import type { ElementType } from '../ir/graph.ts';
import { onnxElementType } from '../ir/operators.ts';
import { encode } from './evaluate/tensor.ts';

export type AttributeValue =
  | number
  | readonly number[]
  | string
  | { readonly float: number }
  | { readonly tensor: TensorProto };

export interface ExternalData {
  readonly location: string;
  readonly bytes: Uint8Array;
}

export class OnnxWriter {
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #inputs: ReturnType<typeof valueInfo>[] = [];
  readonly #outputs: ReturnType<typeof valueInfo>[] = [];
  #count = 0;
  /** Weights from here on are float16. */
  isHalf = false;

  input(name: string, type: ElementType, dims: readonly (number | string)[]): string {
    this.#inputs.push(valueInfo(name, type, dims));
    return name;
  }

  output(name: string, type: ElementType, dims: readonly (number | string)[]): void {
    this.#outputs.push(valueInfo(name, type, dims));
  }

  /** `operator` may begin with `ms.` for the domain com.microsoft. Returns the first output. */
  node(
    operator: string,
    inputs: readonly string[],
    attributes: Record<string, AttributeValue> = {},
    outputs?: readonly string[],
  ): string {
    this.#count += 1;
    const isContrib = operator.startsWith('ms.');
    const opType = isContrib ? operator.slice(3) : operator;
    const output = outputs ?? [`/${opType}_${this.#count}_output_0`];
    this.#nodes.push(
      create(NodeProtoSchema, {
        opType,
        domain: isContrib ? 'com.microsoft' : '',
        name: `/${opType}_${this.#count}`,
        input: [...inputs],
        output: [...output],
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      }),
    );
    return output[0] as string;
  }

  ints(values: readonly number[] | number, type: ElementType = 'int64'): string {
    const list = typeof values === 'number' ? [values] : values;
    const dims = typeof values === 'number' ? [] : [values.length];
    return this.node('Constant', [], { value: { tensor: tensor('', type, dims, Float64Array.from(list)) } });
  }

  float(value: number): string {
    const type = this.isHalf ? 'float16' : 'float32';
    return this.node('Constant', [], { value: { tensor: tensor('', type, [], Float64Array.of(value)) } });
  }

  /** A random matrix, or what is given. */
  weight(name: string, dims: readonly number[], elements?: ArrayLike<number>, type?: ElementType): string {
    const count = dims.reduce((product, dim) => product * dim, 1);
    const scale = 1 / Math.sqrt(dims.length > 1 ? (dims[0] as number) : 1);
    const made = elements ?? randomFloats(count, seedOf(name)).map((x) => x * scale * 1.5);
    this.#initializers.push(tensor(name, type ?? (this.isHalf ? 'float16' : 'float32'), dims, Float64Array.from(made)));
    return name;
  }

  /** The file, with the data of large initializers moved to `external` when it is given. */
  finish(options: { opset?: number; external?: string } = {}): { bytes: Uint8Array; data?: ExternalData } {
    const data = options.external === undefined ? undefined : moveOut(this.#initializers, options.external);
    const bytes = toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, {
        irVersion: 8n,
        producerName: 'test',
        opsetImport: [
          create(OperatorSetIdProtoSchema, { domain: '', version: BigInt(options.opset ?? 14) }),
          create(OperatorSetIdProtoSchema, { domain: 'com.microsoft', version: 1n }),
        ],
        graph: create(GraphProtoSchema, {
          name: 'main_graph',
          input: this.#inputs,
          output: this.#outputs,
          initializer: this.#initializers,
          node: this.#nodes,
        }),
      }),
    );
    return data === undefined ? { bytes } : { bytes, data };
  }
}

/** By name, so that two models which differ in a detail have the same weights. */
function seedOf(name: string): number {
  return [...name].reduce((seed, character) => (Math.imul(seed, 31) + character.charCodeAt(0)) & 0xffff, 7);
}

function moveOut(initializers: TensorProto[], location: string): ExternalData {
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const initializer of initializers) {
    const { rawData } = initializer;
    if (rawData.length < 64) continue;
    const start = Math.ceil(end / 64) * 64;
    parts.push(new Uint8Array(start - end), rawData);
    end = start + rawData.length;
    initializer.dataLocation = TensorProto_DataLocation.EXTERNAL;
    initializer.externalData = Object.entries({ location, offset: String(start), length: String(rawData.length) }).map(
      ([key, value]) => create(StringStringEntryProtoSchema, { key, value }),
    );
    initializer.rawData = new Uint8Array();
  }
  return { location, bytes: Buffer.concat(parts) };
}

export function tensor(
  name: string,
  dataType: ElementType,
  dims: readonly number[],
  elements: Float64Array,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dataType: onnxElementType[dataType],
    dims: dims.map(BigInt),
    rawData: Uint8Array.from(encode(dataType, elements)),
  });
}

function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === 'number')
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  if (typeof value === 'string') {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.STRING,
      s: Uint8Array.from(new TextEncoder().encode(value)),
    });
  }
  if ('float' in value) return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  if ('tensor' in value) return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t: value.tensor });
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: [...value].map(BigInt) });
}

function valueInfo(name: string, type: ElementType, dims: readonly (number | string)[]) {
  const shape = create(TensorShapeProtoSchema, {
    dim: dims.map((dim) =>
      create(TensorShapeProto_DimensionSchema, {
        value: typeof dim === 'number' ? { case: 'dimValue', value: BigInt(dim) } : { case: 'dimParam', value: dim },
      }),
    ),
  });
  const tensorType = create(TypeProto_TensorSchema, { elemType: onnxElementType[type], shape });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensorType } }),
  });
}
