import { TextError } from './errors.ts';

export interface VocabularySource {
  /** Token of each id; ids may have gaps. */
  readonly tokens: ReadonlyMap<number, string>;
  readonly specialTokens: ReadonlySet<string>;
}

/** Ids and their tokens. Immutable. */
export class Vocabulary {
  /** Highest id + 1. */
  readonly count: number;
  /** [count] the token, undefined where the numbering has a gap. */
  readonly #tokens: readonly (string | undefined)[];
  readonly #ids = new Map<string, number>();
  /** [count] 1: special. */
  readonly #special: Uint8Array;

  constructor(source: VocabularySource) {
    let count = 0;
    for (const id of source.tokens.keys()) count = Math.max(count, id + 1);
    this.count = count;
    const tokens = new Array<string | undefined>(count).fill(undefined);
    this.#special = new Uint8Array(count);
    for (const [id, token] of source.tokens) {
      tokens[id] = token;
      this.#ids.set(token, id);
      this.#special[id] = source.specialTokens.has(token) ? 1 : 0;
    }
    this.#tokens = tokens;
  }

  tokenAt(id: number): string | undefined {
    return this.#tokens[id];
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  isSpecial(id: number): boolean {
    return this.#special[id] === 1;
  }

  /** Throws TOKEN_OUT_OF_VOCABULARY unless the id is an integer in [0, count). */
  assertId(id: number): void {
    if (Number.isInteger(id) && id >= 0 && id < this.count) return;
    throw new TextError(
      'TOKEN_OUT_OF_VOCABULARY',
      `Token ${id} is not in the vocabulary; ids are integers from 0 to ${this.count - 1}.`,
    );
  }
}
