/** A TensorProto as a tensor whose bytes are known to be there: its dims, its type and the length of its data agree. */
import {
  type StringStringEntryProto,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType as Type,
} from 'onnx-buf';
import { GraphError } from '../errors.ts';
import { type ElementType, elementBytes } from '../ir/graph.ts';
import { onnxElementType } from '../ir/operators.ts';
import type { WeightFile } from '../weights/weight-files.ts';
import type { SourceFiles } from './external-data.ts';
import { elementsOf, type SourceTensor, type TensorPlace } from './source-graph.ts';

const MAX_RANK = 16;

const typeOfNumber: ReadonlyMap<number, ElementType> = new Map(
  (Object.entries(onnxElementType) as [ElementType, number][]).map(([type, number]) => [number, type]),
);

/** The element type of a number of TensorProto.DataType; undefined for one that nothing here computes with. Pure. */
export function elementTypeOf(number: number): ElementType | undefined {
  return typeOfNumber.get(number);
}

/** What tensors are read from. */
export interface TensorContext {
  /** The ONNX file, as messages call it. */
  readonly file: string;
  readonly onnx: WeightFile;
  /** All bytes of the ONNX file. */
  readonly bytes: Uint8Array;
  readonly files: SourceFiles;
}

/** Reads no element. Throws ONNX_MALFORMED, ONNX_DATA_MISSING, ONNX_DATA_OUTSIDE, TENSOR_DTYPE. */
export async function readTensor(tensor: TensorProto, name: string, context: TensorContext): Promise<SourceTensor> {
  const type = elementTypeOf(tensor.dataType);
  if (type === undefined) {
    const message = `tensor ${name} in ${context.file} is of type ${Type[tensor.dataType] ?? tensor.dataType}: export the model in float32, float16, or with weights of 4 or 8 bits`;
    throw new GraphError('TENSOR_DTYPE', message, { file: context.file, tensor: name });
  }
  const dims = readDims(tensor.dims, name, context);
  const byteLength = Math.ceil(elementsOf(dims) * elementBytes[type]);
  if (!Number.isSafeInteger(byteLength)) throw malformed(context, name, `has the shape [${dims}], which is too large`);
  const place =
    tensor.dataLocation === TensorProto_DataLocation.EXTERNAL
      ? await externalPlace({ name, byteLength, entries: tensor.externalData }, context)
      : embeddedPlace(tensor, { name, type, byteLength }, context);
  return { name, type, dims, byteLength, place };
}

function readDims(dims: readonly bigint[], name: string, context: TensorContext): number[] {
  const counts = dims.map(Number);
  if (counts.length > MAX_RANK || counts.some((dim) => !Number.isSafeInteger(dim) || dim < 0)) {
    throw malformed(context, name, `has the shape [${counts.slice(0, MAX_RANK)}]`);
  }
  return counts;
}

interface ExternalTensor {
  readonly name: string;
  readonly byteLength: number;
  readonly entries: readonly StringStringEntryProto[];
}

async function externalPlace(tensor: ExternalTensor, context: TensorContext): Promise<TensorPlace> {
  const { name, byteLength, entries } = tensor;
  const field = (key: string) => entries.find((entry) => entry.key === key)?.value;
  const location = field('location');
  if (location === undefined) throw malformed(context, name, 'is external and names no location');
  const offset = readCount(field('offset') ?? '0');
  const length = readCount(field('length') ?? String(byteLength));
  if (offset === undefined || length === undefined)
    throw malformed(context, name, 'has an offset or length that is no number');
  if (length !== byteLength) throw malformed(context, name, `needs ${byteLength} bytes and announces ${length}`);
  const file = await context.files.openLocation(location, name);
  if (offset + byteLength > file.bytes) {
    const message = `${file.name} has ${file.bytes} bytes where tensor ${name} of ${context.file} ends at ${offset + byteLength}: the file is truncated, fetch it again`;
    throw new GraphError('ONNX_DATA_MISSING', message, { file: file.name, tensor: name });
  }
  return { bytes: undefined, file, offset };
}

/** A decimal number as external data is described with; undefined when it is none. */
function readCount(text: string): number | undefined {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(count) ? count : undefined;
}

interface EmbeddedTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly byteLength: number;
}

function embeddedPlace(tensor: TensorProto, wanted: EmbeddedTensor, context: TensorContext): TensorPlace {
  const { name, byteLength } = wanted;
  const raw = tensor.rawData.length > 0 ? tensor.rawData : typedBytes(tensor, wanted.type);
  if (raw.length !== byteLength) {
    throw malformed(
      context,
      name,
      `has ${raw.length} bytes of data where its shape [${tensor.dims}] needs ${byteLength}`,
    );
  }
  if (raw !== tensor.rawData || raw.buffer !== context.bytes.buffer) return { bytes: raw, file: undefined, offset: 0 };
  return { bytes: raw, file: context.onnx, offset: raw.byteOffset - context.bytes.byteOffset };
}

/** Elements that are written one by one (floatData and its like) as little-endian bytes. */
function typedBytes(tensor: TensorProto, type: ElementType): Uint8Array {
  const { floatData, int32Data, int64Data, doubleData } = tensor;
  const bytesOf = (array: { buffer: ArrayBuffer }) => new Uint8Array(array.buffer);
  switch (type) {
    case 'float32':
      return bytesOf(Float32Array.from(floatData));
    case 'float64':
      return bytesOf(Float64Array.from(doubleData));
    case 'int64':
      return bytesOf(BigInt64Array.from(int64Data));
    case 'int32':
      return bytesOf(Int32Array.from(int32Data));
    case 'float16':
    case 'bfloat16':
      return bytesOf(Uint16Array.from(int32Data));
    case 'uint8':
    case 'int8':
    case 'uint4':
    case 'int4':
    case 'bool':
      return Uint8Array.from(int32Data);
  }
}

function malformed(context: TensorContext, tensor: string, what: string): GraphError {
  const message = `${context.file}: tensor ${tensor} ${what}; export or fetch the file again`;
  return new GraphError('ONNX_MALFORMED', message, { file: context.file, tensor });
}
