/** Where the cached tokens of a request came from. */
import type { SequenceUsage } from '@octavo/scheduler';

export interface CachedFrom {
  /** Tokens of pages that were in memory when the request came. */
  readonly memory: number;
  /** Tokens of pages that were read from a cache file for it. */
  readonly file: number;
}

/** Usage of a sequence, with the sources of its cached tokens. */
export type SourcedUsage = SequenceUsage & { readonly cachedFrom: CachedFrom };

/** Tokens [from, to) of a prompt. */
export interface TokenRange {
  readonly from: number;
  readonly to: number;
}

export const NO_TOKENS: TokenRange = Object.freeze({ from: 0, to: 0 });

/** `loaded`: tokens that were read from a file for the sequence. Pure. */
export function withSources(usage: SequenceUsage, loaded: TokenRange): SourcedUsage {
  const { cachedTokens } = usage;
  const file = Math.max(0, Math.min(cachedTokens, loaded.to) - loaded.from);
  return { ...usage, cachedFrom: { memory: cachedTokens - file, file } };
}
