/** Tokens of one completion as text that is certain: whole code points, and nothing that belongs to a stop string. */
import { type Detokenizer, StopMatcher, type TextCodec } from '@octavo/text';

export class TextStream {
  readonly #detokenizer: Detokenizer;
  readonly #stops: StopMatcher;
  readonly #vocabularyCount: number;
  /** A stop string is complete: it and what follows are not shown. */
  stopped = false;

  constructor(text: TextCodec, options: { readonly stop: readonly string[]; readonly prompt: Uint32Array }) {
    this.#vocabularyCount = text.vocabularyCount;
    const known = options.prompt.filter((token) => token < text.vocabularyCount);
    this.#detokenizer = text.newDetokenizer({ after: known });
    this.#stops = new StopMatcher(options.stop);
  }

  /** The text that one more token made certain; often empty. */
  push(token: number): string {
    // Models are padded to round vocabularies: such ids have no text, and must not end a request.
    if (token >= this.#vocabularyCount) return '';
    return this.#show(this.#detokenizer.push(token));
  }

  /** What was held back, since nothing follows. */
  flush(): string {
    if (this.stopped) return '';
    const rest = this.#show(this.#detokenizer.flush());
    return this.stopped ? rest : rest + this.#stops.flush();
  }

  #show(text: string): string {
    if (text === '') return '';
    const match = this.#stops.push(text);
    this.stopped = match.stopped;
    return match.text;
  }
}
