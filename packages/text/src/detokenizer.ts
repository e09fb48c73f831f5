import type { StageFactory } from './decode-plan.ts';
import type { DecodeStage } from './decode-stages.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface DetokenizerOptions {
  /** Special tokens (`<|im_end|>`) in the text: `skip` (default) or `keep`. */
  readonly specialTokens?: 'skip' | 'keep';
  /**
   * Ids that come before, a prompt for example: their text is not handed out, but the first pushed token is read as one that
   * follows (SentencePiece tokenizers drop the space at the very beginning of a text only). Default: none. Cost: their count.
   */
  readonly after?: Iterable<number>;
}

/**
 * Ids to text, one at a time.
 *
 * What `push` hands out is final: it never ends inside a code point, and holds no U+FFFD for bytes that a later token may still
 * complete. All texts joined, `flush` included, are the text that decoding all ids at once gives (without `after`).
 * Memory: at most 3 bytes, or the spaces that may turn out to be the end. Cost of a push: the token's length.
 */
export class Detokenizer {
  readonly #vocabulary: Vocabulary;
  readonly #specialTokens: 'skip' | 'keep';
  readonly #stages: DecodeStage;

  /** Made by `TextCodec.newDetokenizer`. */
  constructor(vocabulary: Vocabulary, makeStages: StageFactory, options: DetokenizerOptions) {
    this.#vocabulary = vocabulary;
    this.#specialTokens = options.specialTokens ?? 'skip';
    this.#stages = makeStages();
    for (const id of options.after ?? []) this.push(id);
  }

  /**
   * The text that is certain after one more token; often empty. An id that the tokenizer leaves out (a gap in its numbering) has
   * no text. Throws TOKEN_OUT_OF_VOCABULARY for an id outside [0, vocabularyCount), and is then unchanged.
   */
  push(id: number): string {
    this.#vocabulary.assertId(id);
    const token = this.#vocabulary.tokenAt(id);
    if (token === undefined || (this.#specialTokens === 'skip' && this.#vocabulary.isSpecial(id))) return '';
    return this.#stages.push(token);
  }

  /** What is held, since no token follows: incomplete bytes become U+FFFD. The detokenizer is then at the beginning of a new text. */
  flush(): string {
    return this.#stages.flush();
  }
}
