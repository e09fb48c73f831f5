/** How one request chooses its tokens: the graph's argmax where that is enough, else candidates where they are, else full logits. */
import { type CandidateWish, candidateWish } from '../sampling/candidate-wish.ts';
import type { TokenHistory } from '../sampling/penalties.ts';
import { isPlainGreedy, type ResolvedSampling } from '../sampling/resolve-sampling.ts';
import type { TokenSampler } from '../sampling/token-sampler.ts';
import type { Head } from '../step-loop.ts';

export class Sampler {
  /** False: the graph's argmax is the next token, and no logits have to leave the runtime. */
  readonly wantsLogits: boolean;
  readonly #sampling: ResolvedSampling;
  readonly #tokens: TokenSampler;
  readonly #historyOf: (sequence: number) => TokenHistory;

  /** `tokens` holds scratch memory and is shared by all requests; `historyOf` gives prompt and completion so far. */
  constructor(sampling: ResolvedSampling, tokens: TokenSampler, historyOf: (sequence: number) => TokenHistory) {
    this.wantsLogits = !isPlainGreedy(sampling);
    this.#sampling = sampling;
    this.#tokens = tokens;
    this.#historyOf = historyOf;
  }

  /** What would be enough for the next token of a sequence; see `candidateWish`. */
  candidateWish(sequence: number, count: number): CandidateWish | undefined {
    return candidateWish(this.#sampling, count, this.#historyOf(sequence));
  }

  /** The token after the head's. Deterministic: the same stream, options and seed give the same token. */
  next(head: Head): number {
    const { logits, candidates, sequence } = head;
    if (candidates) return this.#tokens.sampleCandidates(candidates, this.#sampling, this.#historyOf(sequence));
    return logits ? this.#tokens.sample(logits, this.#sampling, this.#historyOf(sequence)) : head.argmax;
  }
}
