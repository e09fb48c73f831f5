/** What an engine counts. */
import type { KvStats } from '@octavo/kv';
import type { CacheFileStats } from './cache-file-api.ts';

export interface EngineStats {
  readonly kv: KvStats;
  readonly waiting: number;
  readonly running: number;
  readonly steps: number;
  /** Most pages that live sequences held at once: neither free nor evictable. */
  readonly peakPages: number;
  /** Of everything that has ended, scorings and warmings included; completions of generations only. */
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly computedTokens: number;
  readonly completionTokens: number;
  /** Cumulative milliseconds: planning, tensor preparation, run, row writing, sampling, commit. */
  readonly stepMs: Readonly<Record<'plan' | 'prepare' | 'run' | 'write' | 'sample' | 'commit', number>>;
  /** What comes out of a cache file. */
  readonly cacheFile: CacheFileStats;
  /** Distinct pages that steps read. */
  readonly uniquePageReads: number;
  /**
   * Page reads that a flat plan, each row for itself, would have had on top (padding counted against it). In a deterministic engine this, and what
   * is padding below, describes the plan, which is flat there, and not what its graph reads: blocks that rows share are read once all the same.
   */
  readonly savedPageReads: number;
  /** Page reads of the null page, that fill groups up to the largest of their level. Of the plan: see `savedPageReads`. */
  readonly paddingPageReads: number;
  /** Tokens that steps computed, and places of groups that no row took. The latter of the plan: see `savedPageReads`. */
  readonly rows: number;
  readonly paddingRows: number;
  /** Rows of logits that crossed into JavaScript, and rows of candidates. */
  readonly logitRows: number;
  readonly candidateRows: number;
}
