/** The golden fixtures: what models answer that an independent float64 program computed without a cache. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../fixtures', import.meta.url));

export interface GoldenPrompt {
  readonly ids: readonly number[];
  /** What follows greedily. */
  readonly greedy: readonly number[];
  /** [vocabulary] at the last position. */
  readonly lastLogits: readonly number[];
  readonly allPositionsArgmax: readonly number[];
}

/** Where the fixture of that name lies. */
export function fixtureFolder(name: string): string {
  return join(folder, name);
}

/** Prompts of 1, 7, 40 and 120 ids. */
export function readGoldens(name: string): readonly GoldenPrompt[] {
  const { prompts } = JSON.parse(readFileSync(join(folder, name, 'golden.json'), 'utf8'));
  return prompts;
}

/** Largest difference between logits, as part of the largest expected one. */
export function deviation(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} logits, not ${expected.length}`);
  const largest = expected.reduce((most, logit) => Math.max(most, Math.abs(logit)), 0);
  return expected.reduce((most, logit, id) => Math.max(most, Math.abs(logit - (actual[id] as number))), 0) / largest;
}
