import type { CacheMode, PageCopy } from './kv-cache.ts';
import type { ClaimId, NodeId } from './units.ts';

/** The raw page table of a lease. */
export interface TableColumns {
  /** [>= pageCount] */
  array: Int32Array;
  pageCount: number;
  sharedPages: number;
}

/** A lease as the checker sees it. */
export interface LeaseView {
  readonly mode: CacheMode;
  readonly salt: string;
  readonly phase: 'live' | 'sealed';
  /** Where its published pages end; undefined for a lease that bypasses the index. */
  readonly endNode: NodeId | undefined;
  /** What it locks: `endNode`, or a node below it. */
  readonly lockNode: NodeId | undefined;
  /** Undefined when it stores nothing, or nothing any more. */
  readonly claim: ClaimId | undefined;
  readonly table: TableColumns;
  readonly copies: readonly PageCopy[];
}
