/** How a long token stream becomes a short one: its head and its recent tail, with positions from 0. */

export interface HeadAndTailLimits {
  /** Tokens of the result at most; at least 1. */
  readonly limitTokens: number;
  /** Leading tokens that are kept, so that their pages are shared; at most one less than the limit. */
  readonly headTokens: number;
}

/**
 * What is kept of `tokens`: the first `headTokens`, then the most recent ones. A new prompt: the head's pages are found again, the tail
 * is computed anew, since its positions changed. Where the tail begins is rounded up to a multiple of an eighth of the limit, so that
 * a conversation that grows keeps its beginning of the tail for a while, and each turn reuses what the one before it computed.
 * The stream itself when it fits. Pure. O(kept tokens).
 */
export function keepHeadAndTail(tokens: Uint32Array, { limitTokens, headTokens }: HeadAndTailLimits): Uint32Array {
  const count = tokens.length;
  if (count <= limitTokens) return tokens;
  const head = Math.min(headTokens, limitTokens - 1);
  const stride = Math.max(1, Math.floor((limitTokens - head) / 8));
  const dropped = Math.ceil((count - limitTokens) / stride) * stride;
  // At least the last token: what is to be continued.
  const tailStart = Math.min(count - 1, head + dropped);
  const kept = new Uint32Array(head + count - tailStart);
  kept.set(tokens.subarray(0, head));
  kept.set(tokens.subarray(tailStart), head);
  return kept;
}
