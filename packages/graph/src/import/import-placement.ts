/** Where the weights of an imported graph lie: in the export's own files where the runtime can read them there, else in a packed file. */
import { open } from 'node:fs/promises';
import { elementBytes } from '../ir/graph.ts';
import type { WeightExtent } from '../onnx/emit.ts';
import { readExactly, writeExactly } from '../weights/exact-bytes.ts';
import { PACKED_FILE } from '../weights/placement.ts';
import type { WeightFile } from '../weights/weight-files.ts';
import type { SourceTensor } from './source-graph.ts';

/** Tensors begin on multiples of a cache line. */
const ALIGNMENT = 64;
const CHUNK_BYTES = 1 << 20;

export interface ImportPlacement {
  readonly extents: ReadonlyMap<string, WeightExtent>;
  /** Files of the export that are read in place, by their names beside the graph. */
  readonly linked: ReadonlyMap<string, WeightFile>;
  readonly packed: readonly { readonly tensor: SourceTensor; readonly offset: number }[];
  readonly packedBytes: number;
}

/** Pure. */
export function placeImported(weights: ReadonlyMap<string, SourceTensor>): ImportPlacement {
  const extents = new Map<string, WeightExtent>();
  const linked = new Map<string, WeightFile>();
  const names = new Map<WeightFile, string>();
  const packed: { tensor: SourceTensor; offset: number }[] = [];
  let end = 0;
  for (const [name, tensor] of weights) {
    const { file, offset: at } = tensor.place;
    // The runtime maps the file and reads elements where they lie, so they must lie on multiples of their width.
    if (file !== undefined && at % elementBytes[tensor.type] === 0) {
      const link = names.get(file) ?? `source-${names.size}.bin`;
      names.set(file, link);
      linked.set(link, file);
      extents.set(name, { file: link, offset: at, bytes: tensor.byteLength });
      continue;
    }
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    packed.push({ tensor, offset });
    extents.set(name, { file: PACKED_FILE, offset, bytes: tensor.byteLength });
    end = offset + tensor.byteLength;
  }
  return { extents, linked, packed, packedBytes: packed.reduce((sum, { tensor }) => sum + tensor.byteLength, 0) };
}

/** Writes the packed file; memory stays at about a MiB beyond what was read of the export. */
export async function packImported(
  path: string,
  placement: ImportPlacement,
  onWritten: (bytes: number) => void,
): Promise<void> {
  const output = await open(path, 'w');
  try {
    let written = 0;
    for (const { tensor, offset } of placement.packed) {
      const made = tensor.place.make?.();
      for (let done = 0; done < tensor.byteLength; ) {
        const chunk = made ?? (await chunkOf(tensor, done));
        await writeExactly(output, chunk, offset + done);
        done += chunk.length;
        written += chunk.length;
        onWritten(written);
      }
    }
  } finally {
    await output.close();
  }
}

async function chunkOf({ place, byteLength }: SourceTensor, from: number): Promise<Uint8Array> {
  const end = Math.min(byteLength, from + CHUNK_BYTES);
  if (place.bytes !== undefined) return place.bytes.subarray(from, end);
  const chunk = new Uint8Array(end - from);
  const file = place.file as WeightFile;
  await readExactly(file.reader, chunk, { file: file.name, offset: place.offset + from });
  return chunk;
}
