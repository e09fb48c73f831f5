import { readFloatRows } from './float-rows.ts';
import { WeightFiles } from './weight-files.ts';

/** The elements of every tensor of a model folder that `wanted` names. */
export async function readTensors(
  folder: string,
  wanted: readonly { readonly name: string; readonly shape: readonly number[] }[],
): Promise<number[][]> {
  const files = await WeightFiles.open(folder);
  try {
    const all: number[][] = [];
    for (const { name, shape } of wanted) {
      const floats: number[] = [];
      for await (const { elements } of readFloatRows(files.expect(name, shape))) floats.push(...elements);
      all.push(floats);
    }
    return all;
  } finally {
    await files.close();
  }
}
