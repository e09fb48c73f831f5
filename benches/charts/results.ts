/** Reads what `--save` has kept. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Machine } from '../machine.ts';
import type { BenchRow } from '../micro/bench-row.ts';
import type { Comparison, PeerResult } from '../peers/comparison.ts';

/** The repository; this file runs as benches/dist/charts/results.js. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

export interface SavedBench {
  readonly machine: Machine;
  readonly effort: 'full' | 'smoke';
  readonly rows: readonly BenchRow[];
}

export interface SavedPeers {
  readonly machine: Machine;
  readonly scale: 'full' | 'smoke';
  readonly results: readonly PeerResult[];
  readonly comparisons: readonly Comparison[];
}

/** Undefined: it was not saved, or by a smoke run. */
export async function savedBench(name: string): Promise<SavedBench | undefined> {
  const result = await saved<SavedBench>(name);
  return result?.effort === 'full' ? result : undefined;
}

/** Undefined: it was not saved, or by a smoke run. */
export async function savedPeers(): Promise<SavedPeers | undefined> {
  const result = await saved<SavedPeers>('peers');
  return result?.scale === 'full' ? result : undefined;
}

async function saved<Result>(name: string): Promise<Result | undefined> {
  const text = await readFile(join(root, 'benches', 'results', `${name}.json`), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Result);
}
