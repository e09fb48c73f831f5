/** What `octavo tune` tries, and which of it to recommend. */
import type { EngineInfo, EngineOptions } from '@octavo/engine';
import type { ModelTrims } from '@octavo/graph';
import { counted } from '../counted.ts';

/** One way to hold a model in less memory. */
export interface Setting {
  /** Unique, for people: `q8, f16 pages`. */
  readonly name: string;
  readonly options: Pick<EngineOptions, 'weights' | 'kvType' | 'trims'>;
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

/** Trims that are worth a try on any model of this shape, in the formats of a setting: each kind alone, mild and strong. Pure. */
export function trimsOf({ layers, kvHeads, contextTokens }: TrimmedShape, { options }: Setting): Setting[] {
  const drops = [...new Set([1, Math.round(layers / 4)])].filter((count) => count >= 1 && count < layers);
  const trims: ModelTrims[] = [
    ...drops.map((dropLayers) => ({ dropLayers })),
    ...(kvHeads % 2 === 0 ? [{ kvHeads: kvHeads / 2 }, { kvHeads: kvHeads / 2, kvHeadsBy: 'first' } as const] : []),
    ...[4, 16].map((part) => ({ windowTokens: Math.max(1, Math.floor(contextTokens / part)) })),
  ];
  return trims.map((trim) => ({ name: describeTrims(trim), options: { ...options, trims: trim } }));
}

export type TrimmedShape = Pick<EngineInfo['shape'], 'layers' | 'kvHeads' | 'contextTokens'>;

/** `2 layers fewer, 1 K/V head (mean), window of 64`. Pure. */
function describeTrims({ dropLayers, kvHeads, kvHeadsBy = 'mean', windowTokens }: ModelTrims): string {
  return [
    ...(dropLayers === undefined
      ? []
      : [`${counted(typeof dropLayers === 'number' ? dropLayers : dropLayers.length, 'layer')} fewer`]),
    ...(kvHeads === undefined ? [] : [`${counted(kvHeads, 'K/V head')} (${kvHeadsBy})`]),
    ...(windowTokens === undefined ? [] : [`window of ${windowTokens}`]),
  ].join(', ');
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
