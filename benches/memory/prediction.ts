/** What a process with an engine takes when its pages are in use, against what the engine announces. */
import type { EngineOptions } from 'octavo';
import { benchCache, benchModel, type ShapeName, shapes } from '../engine/workload.ts';
import { openOnce } from '../load/run-open.ts';
import { type BenchRow, measured } from '../micro/bench-row.ts';
import { seededIds } from '../token-ids.ts';

const NEW_TOKENS = 4;
const PAGE_TOKENS = 16;

/** Effect: one prompt fills the pool but for what is kept free, in a process of its own for each format of the weights; a second process must answer as the first did. */
export async function memoryAgainstPrediction(shape: ShapeName): Promise<BenchRow[]> {
  const { contextTokens, vocabulary } = shapes[shape];
  const prompt = [...seededIds(40, contextTokens - NEW_TOKENS, vocabulary)];
  const rows: BenchRow[] = [];
  for (const weights of ['q4', 'w8a8', 'q4+w8a8', 'f32'] as const) {
    // The null page, and one in a hundred that admission keeps free.
    const pages = 2 + Math.ceil((contextTokens / PAGE_TOKENS) * (100 / 99));
    const options: EngineOptions = { weights, cacheFolder: benchCache(), pages, maxSequences: 1 };
    const request = { model: await benchModel(shape), options, prompt, maxTokens: NEW_TOKENS };
    // The first start compiles, which leaves memory behind that later starts do not take.
    const { ids } = await openOnce(request);
    const { residentBytes, expectedBytes } = await openOnce(request, ids);
    const row = (name: string, value: number, unit: string, aim?: string) =>
      measured({
        name: `memory, ${weights}, ${pages} pages: ${name}`,
        value,
        unit,
        aim,
        samples: 1,
        checked: ids.length,
      });
    rows.push(
      row('resident', residentBytes / 2 ** 20, 'MiB'),
      row('predicted', expectedBytes / 2 ** 20, 'MiB'),
      row('resident / predicted', residentBytes / expectedBytes, 'x', '<= 1.1 x'),
    );
  }
  return rows;
}
