/** What `octavo tune` tries, and which of it to recommend. */
import type { EngineOptions } from '@octavo/engine';

/** One way to hold a model in less memory. */
export interface Setting {
  /** Unique, for people: `q8, f16 pages`. */
  readonly name: string;
  readonly options: Pick<EngineOptions, 'weights' | 'kvType'>;
}

/** A setting and what it did to the eval set. */
export interface Measured {
  readonly name: string;
  readonly options: Setting['options'];
  readonly right: number;
  readonly questions: number;
  /** right / questions */
  readonly accuracy: number;
  /** Accuracy of the first setting, which nothing was taken from, less this one's. */
  readonly lost: number;
  /** K and V of one token. */
  readonly bytesPerToken: number;
  readonly bytesPerTokenSaved: number;
  /** Everything: weights, pages, and what a process takes besides. */
  readonly memoryBytes: number;
}

export interface GridOptions {
  readonly weights: readonly NonNullable<EngineOptions['weights']>[];
  readonly kvTypes: readonly NonNullable<EngineOptions['kvType']>[];
}

/** Every format of weights with every format of pages; the first one is what the others are compared with. Pure. */
export function gridOf({ weights, kvTypes }: GridOptions): Setting[] {
  return weights.flatMap((format) =>
    kvTypes.map((kvType) => ({ name: `${format} weights, ${kvType} pages`, options: { weights: format, kvType } })),
  );
}

/** The most accurate setting within the memory, the smallest of equals; undefined when none fits. Pure. */
export function recommend(measured: readonly Measured[], memoryBytes: number): Measured | undefined {
  return measured
    .filter((setting) => setting.memoryBytes <= memoryBytes)
    .sort((a, b) => b.accuracy - a.accuracy || a.memoryBytes - b.memoryBytes)[0];
}

/** Settings that no other one beats in both memory and accuracy, the smallest first. Pure. */
export function frontierOf(measured: readonly Measured[]): Measured[] {
  const ordered = [...measured].sort((a, b) => a.memoryBytes - b.memoryBytes || b.accuracy - a.accuracy);
  let best = -1;
  return ordered.filter(({ accuracy }) => {
    if (accuracy <= best) return false;
    best = accuracy;
    return true;
  });
}
