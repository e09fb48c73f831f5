/** Decides where each weight's bytes lie: in the model's own file, or in the file that is packed beside the graph. */
import { type Dim, elementBytes, type Graph, type Value, type Weight } from '../ir/graph.ts';
import type { WeightExtent } from '../onnx/emit.ts';
import type { WeightFile, WeightFiles } from './weight-files.ts';

export const PACKED_FILE = 'weights.bin';

/** Tensors begin on multiples of a cache line, which vector instructions like. */
const ALIGNMENT = 64;

export interface PackedWeight {
  readonly weight: Weight;
  /** In the packed file. */
  readonly offset: number;
}

export interface Placement {
  readonly extents: ReadonlyMap<string, WeightExtent>;
  /** Files of the model that the graph reads in place. */
  readonly linked: readonly WeightFile[];
  readonly packed: readonly PackedWeight[];
  readonly packedBytes: number;
}

/** Pure; the packed file's layout follows the order of the graph's weights. */
export function placeWeights(graph: Graph, files: WeightFiles): Placement {
  const extents = new Map<string, WeightExtent>();
  const linked = new Set<WeightFile>();
  const packed: PackedWeight[] = [];
  let end = 0;
  for (const weight of graph.weights) {
    const { value, source } = weight;
    if (source.kind === 'stored') {
      const { file, offset, bytes } = files.expect(source.tensor, countsOf(value));
      linked.add(file);
      extents.set(value.name, { file: file.name, offset, bytes });
    } else {
      const offset = aligned(end);
      const bytes = weightBytes(value);
      packed.push({ weight, offset });
      extents.set(value.name, { file: PACKED_FILE, offset, bytes });
      end = offset + bytes;
    }
  }
  return { extents, linked: [...linked], packed, packedBytes: end };
}

/** Bytes of the file that the packed ones among these weights make, as `placeWeights` lays it out. Pure. */
export function packedBytesOf(weights: readonly Weight[]): number {
  const packed = weights.filter(({ source }) => source.kind !== 'stored');
  return packed.reduce((end, { value }) => aligned(end) + weightBytes(value), 0);
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

export function weightBytes(value: Value): number {
  return countsOf(value).reduce((product, dim) => product * dim, elementBytes[value.type]);
}

/** The shape of a weight, which has no symbolic dimension. */
function countsOf(value: Value): number[] {
  return value.shape.map((dim: Dim) => {
    if (typeof dim !== 'number') throw new Error(`weight ${value.name} has the symbolic dimension ${dim}`);
    return dim;
  });
}
