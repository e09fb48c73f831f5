/** How a memory is shared out between weights, workspace and pages: the sum that the engine does with its option `memory`. */
import { PROCESS_BYTES } from '@octavo/engine';
import type { KvType, WeightFormat } from '@octavo/graph';

/** What there is, and how it is to be used. */
export interface MemoryBudget {
  /** Bytes of the whole engine. */
  readonly bytes: number;
  readonly weights: WeightFormat;
  readonly kvType: KvType;
  /** Tokens a page. */
  readonly pageSize: number;
}

export interface ModelCosts {
  readonly weightBytes: Partial<Readonly<Record<WeightFormat, number>>>;
  readonly bytesPerToken: Readonly<Record<KvType, number>>;
}

export interface MemoryPlan {
  readonly bytes: number;
  /** The format that was counted: an export has only its own. */
  readonly weights: WeightFormat;
  readonly kvType: KvType;
  readonly weightBytes: number;
  /** Node.js, the worker, and what the runtime needs for a step. */
  readonly workspaceBytes: number;
  /** What is left for pages, in bytes; 0 when the rest does not fit. */
  readonly pageBytes: number;
  /** Pages that fit, the null page included. */
  readonly pages: number;
  /** Tokens that the pages hold with each format of pages. */
  readonly tokens: Readonly<Record<KvType, number>>;
}

/** Pure. */
export function planMemory({ weightBytes, bytesPerToken }: ModelCosts, budget: MemoryBudget): MemoryPlan {
  const { bytes, kvType, pageSize } = budget;
  const own = Object.keys(weightBytes)[0] as WeightFormat | undefined;
  const weights = weightBytes[budget.weights] === undefined ? (own ?? budget.weights) : budget.weights;
  const loadedBytes = weightBytes[weights] ?? 0;
  const pageBytes = Math.max(0, bytes - loadedBytes - PROCESS_BYTES);
  const pagesOf = (type: KvType) => Math.floor(pageBytes / (pageSize * bytesPerToken[type]));
  // The null page holds no tokens.
  const tokensOf = (type: KvType) => Math.max(0, pagesOf(type) - 1) * pageSize;
  return {
    bytes,
    weights,
    kvType,
    weightBytes: loadedBytes,
    workspaceBytes: PROCESS_BYTES,
    pageBytes,
    pages: pagesOf(kvType),
    tokens: { f32: tokensOf('f32'), f16: tokensOf('f16'), int8: tokensOf('int8') },
  };
}
