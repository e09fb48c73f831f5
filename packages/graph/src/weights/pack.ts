/** Writes the weights that are not used in place into one file beside the graph. */
import { constants, type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { GraphError } from '../errors.ts';
import type { Value, Weight, WeightSource } from '../ir/graph.ts';
import { writeExactly } from './exact-bytes.ts';
import { type FloatRows, readFloatColumns, readFloatRows } from './float-rows.ts';
import { PackJournal } from './pack-journal.ts';
import type { Placement } from './placement.ts';
import { weightBytes } from './placement.ts';
import {
  blocksOf,
  codeBytesOf,
  MOST_CODE_OF_4_BITS,
  QUANTIZED_BLOCK,
  type QuantizedLayout,
  quantizeColumns,
  quantizeRows,
  roundInBlocks,
} from './quantize.ts';
import type { WeightFiles, WeightTensor } from './weight-files.ts';

export interface PackJob {
  readonly placement: Placement;
  readonly files: WeightFiles;
  /** Path of a file that notes what is written: with the packed file of an interrupted attempt, packing goes on where that one stopped. */
  readonly journal: string;
  /** Called with the bytes written so far. */
  readonly onWritten: (bytes: number) => void;
}

/** Not emptied: an interrupted attempt may have left its beginning there. */
const READ_WRITE_CREATE = constants.O_RDWR | constants.O_CREAT;

/**
 * Streams every packed weight into `path`. Reads each tensor once; memory stays at some MiB whatever the model's, except that a matrix
 * stored as [in, out] is held whole, and so are the codes of one that is wanted as [in, out].
 */
export async function packWeights(path: string, job: PackJob): Promise<void> {
  const { packed, packedBytes } = job.placement;
  const output = await open(path, READ_WRITE_CREATE);
  try {
    const journal = await PackJournal.open(job.journal, output, packed);
    try {
      await new Packer(output, job, journal).packAll();
    } finally {
      await journal.close();
    }
    await output.truncate(packedBytes);
    // Before the folder is published: a file that was found whole by its size must be so after a loss of power, too.
    await output.datasync();
  } finally {
    await output.close();
  }
}

/** One weight while it is written, from its first byte to its last. */
interface PackedRun {
  /** Among the packed weights. */
  readonly place: number;
  readonly bytes: number;
  /** Where the next byte goes. */
  at: number;
  /** CRC-32 of the bytes so far. */
  checksum: number;
}

type FillRow = Extract<WeightSource, { kind: 'computed' }>['fillRow'];

class Packer {
  readonly #output: FileHandle;
  readonly #job: PackJob;
  readonly #journal: PackJournal;
  readonly #placeOf: ReadonlyMap<string, number>;
  #written = 0;

  constructor(output: FileHandle, job: PackJob, journal: PackJournal) {
    this.#output = output;
    this.#job = job;
    this.#journal = journal;
    this.#placeOf = new Map(job.placement.packed.map(({ weight }, place) => [weight.value.name, place]));
  }

  async packAll(): Promise<void> {
    for (const { weight } of this.#job.placement.packed) {
      const { value, source } = weight;
      // Codes and scales come from one pass over the tensors, made when the codes are due.
      if ('part' in source && source.part === 'scales') continue;
      const names = 'part' in source ? [value.name, `${value.name}.scales`] : [value.name];
      const runs = names.map((name) => this.#runOf(name));
      if (this.#journal.isDone(runs.map(({ place }) => place))) {
        this.#advance(runs.reduce((sum, { bytes }) => sum + bytes, 0));
      } else {
        await this.#pack(weight, runs);
        await this.#journal.note(runs);
      }
    }
  }

  async #pack({ value, source }: Weight, runs: readonly PackedRun[]): Promise<void> {
    const [run, scales] = runs as [PackedRun, PackedRun?];
    switch (source.kind) {
      case 'widened':
        return this.#packFloats([source.tensor], run, source.plus);
      case 'stacked':
        return this.#packFloats(source.tensors, run);
      case 'computed':
        return this.#packComputed(value, source.fillRow, run);
      case 'quantized':
        return this.#packQuantized(source, { codes: run, scales: scales as PackedRun });
      case 'quantized-columns':
        return this.#packColumns(source, { codes: run, scales: scales as PackedRun });
      case 'stored':
      case 'imported':
        throw new Error(`weight ${value.name} is not packed here`);
    }
  }

  async #packFloats(tensors: readonly string[], run: PackedRun, plus = 0): Promise<void> {
    for (const tensor of tensors) {
      for await (const { elements } of readFloatRows(this.#tensor(tensor))) {
        if (plus !== 0) for (const [index, element] of elements.entries()) elements[index] = element + plus;
        await this.#write(run, elements);
      }
    }
  }

  async #packComputed(value: Value, fillRow: FillRow, run: PackedRun): Promise<void> {
    const [rows, columns] = value.shape as [number, number];
    const rowsAWrite = Math.min(rows, Math.max(1, Math.floor((1 << 18) / columns)));
    const floats = new Float32Array(rowsAWrite * columns);
    for (let first = 0; first < rows; first += rowsAWrite) {
      const count = Math.min(rowsAWrite, rows - first);
      for (let row = 0; row < count; row += 1)
        fillRow(first + row, floats.subarray(row * columns, (row + 1) * columns));
      await this.#write(run, floats.subarray(0, count * columns));
    }
  }

  async #packQuantized(
    source: Extract<WeightSource, { kind: 'quantized' }>,
    runs: { readonly codes: PackedRun; readonly scales: PackedRun },
  ): Promise<void> {
    for (const name of source.tensors) {
      const tensor = this.#tensor(name);
      const columns = tensor.shape[source.transposed ? 0 : 1] as number;
      const layout: QuantizedLayout = { columns, block: QUANTIZED_BLOCK, bits: source.bits };
      for await (const { firstRow, rowCount, elements } of floatRows(tensor, source.transposed)) {
        const rows = {
          codes: new Uint8Array(rowCount * codeBytesOf(layout)),
          scales: new Float32Array(rowCount * blocksOf(layout)),
        };
        const spoiled = quantizeRows(elements, layout, rows);
        if (spoiled !== undefined) throw notFinite(tensor, firstRow + Math.floor(spoiled / blocksOf(layout)));
        await this.#write(runs.codes, rows.codes);
        await this.#write(runs.scales, rows.scales);
      }
    }
  }

  async #packColumns(
    source: Extract<WeightSource, { kind: 'quantized-columns' }>,
    runs: { readonly codes: PackedRun; readonly scales: PackedRun },
  ): Promise<void> {
    const codes = source.unsigned ? new Uint8Array(runs.codes.bytes) : new Int8Array(runs.codes.bytes);
    const zero = source.unsigned ? 128 : 0;
    const through = source.throughBits;
    const into = { codes, zero, ...(through && { mostCode: MOST_CODE_OF_4_BITS }) };
    let firstColumn = 0;
    for (const name of source.tensors) {
      const tensor = this.#tensor(name);
      const columns = tensor.shape[source.transposed ? 0 : 1] as number;
      for await (const { firstRow, rowCount, elements } of floatRows(tensor, source.transposed)) {
        const scales = new Float32Array(rowCount);
        if (through !== undefined) roundInBlocks(elements, { columns, block: QUANTIZED_BLOCK, bits: through });
        const spoiled = quantizeColumns(elements, columns, { ...into, firstColumn, scales });
        if (spoiled !== undefined) throw notFinite(tensor, firstRow + spoiled);
        await this.#write(runs.scales, scales);
        firstColumn += rowCount;
      }
    }
    await this.#write(runs.codes, codes);
  }

  #tensor(name: string): WeightTensor {
    return this.#job.files.take(name);
  }

  #runOf(weight: string): PackedRun {
    const place = this.#placeOf.get(weight);
    const extent = this.#job.placement.extents.get(weight);
    if (place === undefined || extent === undefined) throw new Error(`weight ${weight} was given no place`);
    return { place, bytes: extent.bytes, at: extent.offset, checksum: 0 };
  }

  /** Effect: the next bytes of a weight are in the file. */
  async #write(run: PackedRun, part: Uint8Array | Int8Array | Float32Array): Promise<void> {
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    await writeExactly(this.#output, bytes, run.at);
    run.at += bytes.length;
    run.checksum = crc32(bytes, run.checksum);
    this.#advance(bytes.length);
  }

  #advance(bytes: number): void {
    this.#written += bytes;
    this.#job.onWritten(this.#written);
  }
}

/** Rows [out, in] of a matrix, whichever way it is stored. */
function floatRows(tensor: WeightTensor, transposed = false): AsyncGenerator<FloatRows> {
  return transposed ? readFloatColumns(tensor) : readFloatRows(tensor);
}

function notFinite(tensor: WeightTensor, row: number): GraphError {
  const message = `tensor ${tensor.name} in ${tensor.file.name} holds an infinity or NaN in row ${row}: fetch the file again, or use weights f32`;
  return new GraphError('TENSOR_NOT_FINITE', message, { file: tensor.file.name, tensor: tensor.name });
}

/** Bytes of all packed weights together, padding not counted: what `onWritten` ends at. */
export function packedTotal(placement: Placement): number {
  return placement.packed.reduce((sum, { weight }) => sum + weightBytes(weight.value), 0);
}
