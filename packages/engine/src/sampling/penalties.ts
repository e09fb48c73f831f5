import type { ResolvedSampling } from './resolve-sampling.ts';

/** The tokens of a sequence: a prompt, then what was generated. The fields of `StepSource.tokensOf`. */
export interface TokenHistory {
  /** [>= tokenCount] ids below the vocabulary. */
  readonly tokens: Uint32Array;
  readonly tokenCount: number;
  readonly promptTokens: number;
}

/**
 * Penalties on scores of tokens that occurred. Nothing is kept between calls: counts are taken from the history again each time,
 * at 1 ns or so a token, so that preemption, forks and aborts have no counters to carry.
 *
 * - repetition (prompt and completion): a positive score is divided by the penalty, any other multiplied.
 *   Source: Keskar et al. 2019, "CTRL", section 4.1, in the form of Hugging Face transformers.
 * - presence and frequency (completion): score -= presence + frequency * occurrences. Source: the OpenAI API reference.
 */
export class Penalties {
  /** [vocabulary] occurrences in the completion; all 0 between calls. */
  readonly #occurrences: Uint32Array;
  /** [vocabulary] 1: penalised in this call; all 0 between calls. */
  readonly #isDone: Uint8Array;

  constructor(vocabulary: number) {
    this.#occurrences = new Uint32Array(vocabulary);
    this.#isDone = new Uint8Array(vocabulary);
  }

  /** Changes `scores` [vocabulary]. Cost: the tokens of the history, or of its completion without a repetition penalty. */
  apply(scores: Float64Array, sampling: ResolvedSampling, history: TokenHistory): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = sampling;
    const { tokens, tokenCount, promptTokens } = history;
    const occurrences = this.#occurrences;
    const isDone = this.#isDone;
    for (let i = promptTokens; i < tokenCount; i += 1) {
      const token = tokens[i] as number;
      occurrences[token] = (occurrences[token] as number) + 1;
    }
    const first = repetitionPenalty === 1 ? promptTokens : 0;
    for (let i = first; i < tokenCount; i += 1) {
      const token = tokens[i] as number;
      if (isDone[token] === 1) continue;
      isDone[token] = 1;
      const score = scores[token] as number;
      const repeated = score > 0 ? score / repetitionPenalty : score * repetitionPenalty;
      const count = occurrences[token] as number;
      scores[token] = count === 0 ? repeated : repeated - (presencePenalty + frequencyPenalty * count);
    }
    for (let i = first; i < tokenCount; i += 1) {
      const token = tokens[i] as number;
      isDone[token] = 0;
      occurrences[token] = 0;
    }
  }
}
