/** Writes the weights that are not used in place into one file beside the graph. */
import { type FileHandle, open } from 'node:fs/promises';
import { GraphError } from '../errors.ts';
import type { Value, WeightSource } from '../ir/graph.ts';
import { readFloatRows } from './float-rows.ts';
import type { PackedWeight, Placement } from './placement.ts';
import { weightBytes } from './placement.ts';
import { blocksOf, codeBytesOf, QUANTIZED_BLOCK, type QuantizedLayout, quantizeRows } from './quantize.ts';
import type { WeightFiles, WeightTensor } from './weight-files.ts';

export interface PackJob {
  readonly placement: Placement;
  readonly files: WeightFiles;
  /** Called with the bytes written so far. */
  readonly onWritten: (bytes: number) => void;
}

/** Streams every packed weight into `path`. Reads each tensor once; memory stays at some MiB whatever the model's. */
export async function packWeights(path: string, job: PackJob): Promise<void> {
  const output = await open(path, 'w');
  try {
    const writer = new Packer(output, job);
    for (const packed of job.placement.packed) await writer.pack(packed);
  } finally {
    await output.close();
  }
}

class Packer {
  readonly #output: FileHandle;
  readonly #job: PackJob;
  #written = 0;

  constructor(output: FileHandle, job: PackJob) {
    this.#output = output;
    this.#job = job;
  }

  async pack({ weight, offset }: PackedWeight): Promise<void> {
    const { value, source } = weight;
    switch (source.kind) {
      case 'widened':
        return this.#packFloats([source.tensor], offset);
      case 'stacked':
        return this.#packFloats(source.tensors, offset);
      case 'computed':
        return this.#packComputed(value, source.fillRow, offset);
      case 'quantized':
        // Codes and scales come from one pass over the tensors, made when the codes are due.
        return source.part === 'codes' ? this.#packQuantized(value, source) : undefined;
      case 'stored':
        throw new Error(`weight ${value.name} is used in place and not packed`);
    }
  }

  async #packFloats(tensors: readonly string[], offset: number): Promise<void> {
    let at = offset;
    for (const tensor of tensors) {
      for await (const { elements } of readFloatRows(this.#tensor(tensor))) {
        await this.#write(elements, at);
        at += elements.byteLength;
      }
    }
  }

  async #packComputed(value: Value, fillRow: (row: number, into: Float32Array) => void, offset: number): Promise<void> {
    const [rows, columns] = value.shape as [number, number];
    const rowsAWrite = Math.min(rows, Math.max(1, Math.floor((1 << 18) / columns)));
    const floats = new Float32Array(rowsAWrite * columns);
    for (let first = 0; first < rows; first += rowsAWrite) {
      const count = Math.min(rowsAWrite, rows - first);
      for (let row = 0; row < count; row += 1)
        fillRow(first + row, floats.subarray(row * columns, (row + 1) * columns));
      await this.#write(floats.subarray(0, count * columns), offset + first * columns * 4);
    }
  }

  async #packQuantized(codes: Value, source: Extract<WeightSource, { kind: 'quantized' }>): Promise<void> {
    let codesAt = this.#offsetOf(codes.name);
    let scalesAt = this.#offsetOf(`${codes.name}.scales`);
    for (const name of source.tensors) {
      const tensor = this.#tensor(name);
      const layout: QuantizedLayout = { columns: tensor.shape[1] as number, block: QUANTIZED_BLOCK, bits: source.bits };
      for await (const { firstRow, rowCount, elements } of readFloatRows(tensor)) {
        const rows = {
          codes: new Uint8Array(rowCount * codeBytesOf(layout)),
          scales: new Float32Array(rowCount * blocksOf(layout)),
        };
        const spoiled = quantizeRows(elements, layout, rows);
        if (spoiled !== undefined) throw notFinite(tensor, firstRow + Math.floor(spoiled / blocksOf(layout)));
        await this.#write(rows.codes, codesAt);
        await this.#write(rows.scales, scalesAt);
        codesAt += rows.codes.length;
        scalesAt += rows.scales.byteLength;
      }
    }
  }

  #tensor(name: string): WeightTensor {
    return this.#job.files.take(name);
  }

  #offsetOf(weight: string): number {
    const extent = this.#job.placement.extents.get(weight);
    if (extent === undefined) throw new Error(`weight ${weight} was given no place`);
    return extent.offset;
  }

  async #write(part: Uint8Array | Float32Array, offset: number): Promise<void> {
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.#output.write(bytes, done, bytes.length - done, offset + done);
      done += bytesWritten;
    }
    this.#written += bytes.length;
    this.#job.onWritten(this.#written);
  }
}

function notFinite(tensor: WeightTensor, row: number): GraphError {
  const message = `tensor ${tensor.name} in ${tensor.file.name} holds an infinity or NaN in row ${row}: fetch the file again, or use weights f32`;
  return new GraphError('TENSOR_NOT_FINITE', message, { file: tensor.file.name, tensor: tensor.name });
}

/** Bytes of all packed weights together, padding not counted: what `onWritten` ends at. */
export function packedTotal(placement: Placement): number {
  return placement.packed.reduce((sum, { weight }) => sum + weightBytes(weight.value), 0);
}
