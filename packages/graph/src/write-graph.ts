import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { linkOrCopy } from './cache/link-file.ts';
import type { CompileOptions } from './compiled-model.ts';
import type { Graph } from './ir/graph.ts';
import { packedTotal, packWeights } from './weights/pack.ts';
import { JOURNAL_FILE } from './weights/pack-journal.ts';
import { PACKED_FILE, type Placement } from './weights/placement.ts';
import type { WeightFiles } from './weights/weight-files.ts';

/** A graph whose operators are all ONNX's, and where its weights lie. */
export interface PreparedGraph {
  readonly graph: Graph;
  readonly placement: Placement;
}

export interface WriteJob {
  readonly files: WeightFiles;
  readonly onProgress: NonNullable<CompileOptions['onProgress']>;
}

/** Effect: writes the graph file, and its weights beside it. Returns the bytes of the weights. Throws when the model changed meanwhile. */
export async function writeGraph(
  graphFile: string,
  { graph, placement }: PreparedGraph,
  job: WriteJob,
): Promise<number> {
  const folder = dirname(graphFile);
  const { files, onProgress } = job;
  const total = packedTotal(placement);
  onProgress({ status: 'read', loaded: 0, total });
  const onWritten = (loaded: number) => onProgress({ status: 'pack', loaded, total });
  const journal = join(folder, JOURNAL_FILE);
  await packWeights(join(folder, PACKED_FILE), { placement, files, journal, onWritten });
  const { linked } = placement;
  for (const [index, file] of linked.entries()) {
    onProgress({ status: 'write', loaded: index, total: linked.length });
    await linkOrCopy(file.realPath, join(folder, file.name));
  }
  // Not at the head of the file: most starts find their graph written, and what writes it takes long to load.
  const { emitOnnx } = await import('./onnx/emit.ts');
  await writeFile(graphFile, emitOnnx(graph, placement.extents));
  // Last: what was packed and linked above is then known to be what the fingerprint stands for.
  await files.checkUnchanged();
  await rm(journal);
  let weightBytes = 0;
  for (const extent of placement.extents.values()) weightBytes += extent.bytes;
  return weightBytes;
}
