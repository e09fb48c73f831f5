/**
 * How many pages a memory holds. An engine's resident memory is the weights as the runtime keeps them, the pools, and what Node.js and
 * the runtime take whatever the model: the budget is for all three, so that a person can give what the machine has.
 */
import { totalmem } from 'node:os';
import type { KvType, ModelShape } from '@octavo/graph';
import { EngineError } from '../errors.ts';
import { bytesPerToken } from './page-layout.ts';

/** What a process with an engine takes besides weights and pools: Node.js, a worker, the runtime's code and its arena for a step. Measured
 * on a shape of 135 million parameters with all pages in use: 220 to 340 MiB, the most with float32 weights. */
export const PROCESS_BYTES = 256 * 2 ** 20;

export interface MemoryRequest {
  /** Bytes of everything. */
  readonly memory: number;
  /** Bytes of the weights in memory. */
  readonly weightBytes: number;
  readonly shape: ModelShape;
  readonly kvType: KvType;
  /** Tokens a page. */
  readonly pageSize: number;
  /** Longest prompt and completion that has to fit. */
  readonly leastTokens: number;
  /** Bytes that the machine grants at most. */
  readonly limit?: number;
}

/**
 * Pages (the null page included) that fill the memory. Pure but for the machine's own limit. Throws MEMORY_TOO_LARGE when the machine
 * has less, MEMORY_TOO_SMALL when what is left beside the weights does not hold one request; both with the numbers.
 */
export function pagesWithin(request: MemoryRequest): number {
  const { memory, weightBytes, shape, kvType, pageSize, leastTokens, limit = machineBytes() } = request;
  const details = { memory, weightBytes, processBytes: PROCESS_BYTES, limit };
  if (memory > limit) {
    throw new EngineError(
      'MEMORY_TOO_LARGE',
      `memory is ${megabytes(memory)}: this machine grants ${megabytes(limit)}, give at most that.`,
      { details },
    );
  }
  const pageBytes = pageSize * bytesPerToken(shape, kvType);
  const pages = Math.floor((memory - weightBytes - PROCESS_BYTES) / pageBytes);
  const leastPages = 1 + Math.ceil(leastTokens / pageSize);
  if (pages >= leastPages) return pages;
  const least = weightBytes + PROCESS_BYTES + leastPages * pageBytes;
  throw new EngineError(
    'MEMORY_TOO_SMALL',
    `memory is ${megabytes(memory)}: the weights take ${megabytes(weightBytes)}, the process ${megabytes(PROCESS_BYTES)} and one request of ${leastTokens} tokens ${megabytes(leastPages * pageBytes)}; give at least ${megabytes(least)}.`,
    { details: { ...details, leastPages, pageBytes, least } },
  );
}

/** Bytes that this process can have: the machine's, or the limit that its container sets. */
export function machineBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** Bytes that the system could give this process now, without taking them from another. Pure but for the system. */
export function availableBytes(): number {
  return process.availableMemory();
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`;
}
