/** The cache across restarts, what it holds, and what it has learned. */

import type { PinResult } from '@octavo/kv';

/** Why a cache file, or a page of it, is not used. */
export type CacheRefusalReason =
  | 'unreadable'
  | 'not-a-cache-file'
  | 'version'
  | 'truncated'
  | 'damaged'
  | 'model'
  | 'weights'
  | 'tokenizer'
  | 'page-format'
  | 'page-size';

/** Why a page of a file that is open is not used: its bytes are not what was written, the file has become shorter, or the disk fails. */
export type PageRefusalReason = 'damaged' | 'truncated' | 'unreadable';

export interface CacheExport {
  readonly pages: number;
  readonly bytes: number;
}

export interface CacheImport {
  /** Pages that prompts can get from the file. */
  readonly pages: number;
  readonly bytes: number;
  /** What became of the pins of the file, one by one; absent when it has none. Those that are granted or clipped hold from now on. */
  readonly pins?: readonly PinResult[];
  /** Present: nothing is taken from the file, and why. */
  readonly refusal?: { readonly reason: CacheRefusalReason; readonly message: string };
}

export interface CacheFileStats {
  /** Pages of the open file that a prompt can still get. */
  readonly filePages: number;
  /** Pages that came out of files so far. */
  readonly loadedPages: number;
  /** Pages of the open file that could not be read as they were written: they are computed again. */
  readonly refusedPages: number;
  /** The same by reason. */
  readonly refusals: Readonly<Record<PageRefusalReason, number>>;
}

/** A beginning that many prompts had in common. */
export interface LearnedOpening {
  readonly salt: string;
  /** Whole pages of tokens. */
  readonly ids: readonly number[];
  /** Absent without a tokenizer. */
  readonly text?: string;
  /** Prompts of the last 24 hours that began with it. */
  readonly count: number;
}

/** Tokens that the cache holds behind those of another entry. */
export interface CacheTreeEntry {
  /** Place of that entry in the list, before this one's; -1: these are the first tokens. */
  readonly parent: number;
  readonly salt: string;
  readonly ids: readonly number[];
  readonly pages: number;
  /** Prompt tokens that requests found ending here and did not compute; absent in a file. */
  readonly savedTokens?: number;
  /** Why it stays. */
  readonly claims: readonly CacheClaim[];
}

export interface CacheClaim {
  readonly session?: string;
  readonly tags: readonly string[];
  readonly context: readonly string[];
  readonly priority: 'low' | 'normal' | 'high';
  readonly isPinned: boolean;
  /** Milliseconds that are left. */
  readonly ttlMs?: number;
  readonly slidingTtlMs?: number;
}

/** What a cache file says about itself, whatever model it is of. */
export type CacheFileView =
  | {
      readonly ok: true;
      readonly identity: Readonly<Record<string, string | number>>;
      /** Milliseconds since 1970. */
      readonly writtenMs: number;
      readonly bytes: number;
      readonly entries: readonly CacheTreeEntry[];
      readonly openings: readonly Omit<LearnedOpening, 'text'>[];
    }
  | { readonly ok: false; readonly refusal: { readonly reason: CacheRefusalReason; readonly message: string } };

export interface CacheFileCalls {
  /**
   * Writes all entries with their pages and lifetimes to a file, whole or not at all. A part of it is written after each step, so that requests
   * go on; entries that make room for these, or are invalidated, before it is done are left out, and so is what only running requests ask for. Throws CACHE_FILE_UNWRITABLE, INVALID_OPTION.
   */
  export(file: string): Promise<CacheExport>;
  /**
   * Opens a file that `export` wrote. Its pages are read when a prompt first begins with them, those of pins at once, as far as
   * `pinBudgetPages` goes; and proved by checksum: a page that is damaged is computed again. A file of another model, format or page size, or a damaged one, is an answer with `refusal`, not an error.
   */
  import(file: string): Promise<CacheImport>;
  /** The most frequent beginnings of the last day's prompts, at most so many (default 100). */
  openings(most?: number): Promise<readonly LearnedOpening[]>;
  /** All entries in memory, parents before children. O(tokens). */
  tree(): Promise<readonly CacheTreeEntry[]>;
}
