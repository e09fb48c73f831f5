/** What `--save` keeps under benches/results. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Machine } from './machine.ts';
import type { BenchRow } from './micro/bench-row.ts';
import type { Comparison, PeerResult } from './peers/comparison.ts';

/** The repository; this file runs as benches/dist/saved-results.js. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const folder = join(root, 'benches', 'results');

export interface SavedBench {
  readonly machine: Machine;
  readonly rows: readonly BenchRow[];
}

export interface SavedPeers {
  /** With the versions of the compared engines. */
  readonly machine: Machine;
  readonly results: readonly PeerResult[];
  readonly comparisons: readonly Comparison[];
}

/** Undefined: it was not saved. */
export function savedBench(name: string): Promise<SavedBench | undefined> {
  return saved<SavedBench>(name);
}

/** Undefined: it was not saved. */
export function savedPeers(): Promise<SavedPeers | undefined> {
  return saved<SavedPeers>('peers');
}

/** All that was saved, in the order of names. */
export async function allSaved(): Promise<(SavedBench | SavedPeers)[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  const results = await Promise.all(
    names.map((name) => saved<SavedBench | SavedPeers>(name.slice(0, -'.json'.length))),
  );
  return results.filter((result) => result !== undefined);
}

/** Effect: replaces what was saved under that name. */
export async function save(name: string, result: SavedBench | SavedPeers): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(fileOf(name), `${JSON.stringify(result, undefined, 2)}\n`);
}

async function saved<Result>(name: string): Promise<Result | undefined> {
  const text = await readFile(fileOf(name), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Result);
}

function fileOf(name: string): string {
  return join(folder, `${name}.json`);
}
