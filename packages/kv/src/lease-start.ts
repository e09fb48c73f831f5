import type { CacheMode, MissReason } from './kv-cache.ts';
import type { LeaseLifetime } from './lease-lifetime.ts';
import type { NodeId } from './units.ts';

/** What a lease starts with: the locks are taken, the pages are not. */
export interface LeaseStart {
  readonly mode: CacheMode;
  readonly salt: string;
  /** Where its published pages end; undefined for a lease that bypasses the index. */
  readonly endNode: NodeId | undefined;
  /** What it locks: `endNode`, or below it the node of a page that rows are copied from. */
  readonly lockNode: NodeId | undefined;
  readonly matchedTokens: number;
  readonly missReason: MissReason;
  /** Undefined when it stores nothing. */
  readonly lifetime: LeaseLifetime | undefined;
  /** Pages that its table will be able to hold without growing. */
  readonly expectedPages: number;
}
