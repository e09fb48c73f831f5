import { TextError } from './errors.ts';

export interface VocabularySource {
  /** [highest id + 1] token of each id, undefined where the numbering has a gap. */
  readonly tokens: readonly (string | undefined)[];
  readonly specialTokens: ReadonlySet<string>;
}

/** Ids and their tokens. Immutable. Made without a look at each token: vocabularies of 2^18 are opened at every start. */
export class Vocabulary {
  /** Highest id + 1. */
  readonly count: number;
  readonly #tokens: readonly (string | undefined)[];
  readonly #specialTokens: ReadonlySet<string>;
  /** Made when an id is first asked for. */
  #ids: ReadonlyMap<string, number> | undefined;

  constructor({ tokens, specialTokens }: VocabularySource) {
    this.count = tokens.length;
    this.#tokens = tokens;
    this.#specialTokens = specialTokens;
  }

  tokenAt(id: number): string | undefined {
    return this.#tokens[id];
  }

  idOf(token: string): number | undefined {
    this.#ids ??= idsOf(this.#tokens);
    return this.#ids.get(token);
  }

  isSpecial(id: number): boolean {
    const token = this.#tokens[id];
    return token !== undefined && this.#specialTokens.has(token);
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

function idsOf(tokens: readonly (string | undefined)[]): Map<string, number> {
  const ids = new Map<string, number>();
  for (const [id, token] of tokens.entries()) if (token !== undefined) ids.set(token, id);
  return ids;
}
