/** Log probabilities of tokens under a row of logits, in float64. Pure. */

/** log(sum(exp(logits))) without overflow. `logits` [vocabulary], at least one finite. O(vocabulary). */
export function logSumExp(logits: Float32Array): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id += 1) {
    const logit = logits[id] as number;
    if (logit > highest) highest = logit;
  }
  let sum = 0;
  for (let id = 0; id < logits.length; id += 1) sum += Math.exp((logits[id] as number) - highest);
  return highest + Math.log(sum);
}

/** Natural logarithm of the probability of a token: log-softmax at its place. O(vocabulary). */
export function logProbabilityOf(logits: Float32Array, token: number): number {
  return (logits[token] as number) - logSumExp(logits);
}

/** exp(-mean log probability); undefined for no tokens. */
export function perplexityOf(logProbabilities: readonly number[]): number | undefined {
  if (logProbabilities.length === 0) return undefined;
  const sum = logProbabilities.reduce((total, logProbability) => total + logProbability, 0);
  return Math.exp(-sum / logProbabilities.length);
}
