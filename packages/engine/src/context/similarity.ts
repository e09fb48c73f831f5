import { EngineError } from '../errors.ts';
import type { ContextDetector } from './context-detector.ts';

export interface SimilarityOptions {
  /** Share of common shingles below which the context counts as changed, from 0 to 1. Default 0.5. */
  readonly threshold?: number;
  /** Tokens of a shingle. Default 4: long enough that common words alone are not a common topic. */
  readonly shingleTokens?: number;
}

/**
 * The context changed when the new prompt has little in common with the session's recent tokens: of the shingles (runs of so many tokens)
 * of the shorter one, less than the threshold are in the other. So a conversation that goes on is the same context, also when its
 * beginning was truncated; another code base or topic is not, unless a long system prompt is most of both. Throws INVALID_OPTION.
 * Cost: O(tokens) of both.
 */
export function similarity(options: SimilarityOptions = {}): ContextDetector {
  const { threshold = 0.5, shingleTokens = 4 } = options;
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new EngineError('INVALID_OPTION', `threshold is ${threshold}: give a number from 0 to 1.`);
  }
  if (!Number.isSafeInteger(shingleTokens) || shingleTokens < 1) {
    throw new EngineError('INVALID_OPTION', `shingleTokens is ${shingleTokens}: give an integer of at least 1.`);
  }
  return ({ ids, previous }) => overlap(ids, previous.ids, shingleTokens) < threshold;
}

/** Share of the shingles of the one with fewer that the other has; 1 when either is too short to have one. Pure. */
export function overlap(a: Uint32Array, b: Uint32Array, shingleTokens: number): number {
  const [fewer, more] = [shinglesOf(a, shingleTokens), shinglesOf(b, shingleTokens)].sort(
    (x, y) => x.size - y.size,
  ) as [Set<number>, Set<number>];
  if (fewer.size === 0) return 1;
  let common = 0;
  for (const shingle of fewer) if (more.has(shingle)) common += 1;
  return common / fewer.size;
}

/** Digests of all runs of tokens. Two that collide by chance (1 in 2^32) shift the share by one shingle. */
function shinglesOf(ids: Uint32Array, shingleTokens: number): Set<number> {
  const shingles = new Set<number>();
  for (let start = 0; start + shingleTokens <= ids.length; start += 1) {
    let digest = 0x811c9dc5;
    for (let i = 0; i < shingleTokens; i += 1) {
      // FNV-1a over whole tokens, then mixed, so that neighbouring ids differ in all bits.
      digest = Math.imul(digest ^ (ids[start + i] as number), 0x01000193);
      digest = Math.imul(digest ^ (digest >>> 15), 0x2c1b3c6d);
    }
    shingles.add(digest >>> 0);
  }
  return shingles;
}
