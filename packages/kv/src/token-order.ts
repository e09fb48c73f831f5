/** `count` tokens from `from` on, copied. */
export function tokensAt(tokens: Uint32Array, from: number, count: number): number[] {
  return [...tokens.subarray(from, from + count)];
}

/** Leading tokens that both have. Pure. */
export function commonTokens(a: readonly number[], b: readonly number[]): number {
  const different = a.findIndex((token, at) => token !== b[at]);
  return different < 0 ? a.length : different;
}

/** The order of children: by tokens, a prefix first; 0 when equal. Pure. */
export function compareTokens(a: readonly number[], b: readonly number[]): number {
  const common = commonTokens(a, b);
  if (common === a.length || common === b.length) return a.length - b.length;
  return (a[common] as number) - (b[common] as number);
}

/** Of two runs with equally many tokens in common with `wanted`: is `candidate` the next one in order, or if none is above, the last below? */
export function isNearer(candidate: readonly number[], best: readonly number[], wanted: readonly number[]): boolean {
  const isCandidateAbove = compareTokens(candidate, wanted) >= 0;
  const isBestAbove = compareTokens(best, wanted) >= 0;
  if (isCandidateAbove !== isBestAbove) return isCandidateAbove;
  const order = compareTokens(candidate, best);
  return isCandidateAbove ? order < 0 : order > 0;
}
