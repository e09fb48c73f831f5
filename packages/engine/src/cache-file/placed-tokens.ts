/** Finds pages of an index in the making by what comes before them and by their tokens. Its memory is taken at once: it never moves. */
import type { IndexDraft } from './index-draft.ts';

export class PlacedTokens {
  readonly #draft: IndexDraft;
  /** [power of two, at least twice the pages] place + 1, at the hash of parent and tokens or behind it. */
  readonly #table: Int32Array;
  #count = 0;

  constructor(draft: IndexDraft, pages: number) {
    this.#draft = draft;
    this.#table = new Int32Array(2 ** Math.ceil(Math.log2(2 * pages + 2)));
  }

  /** A page was appended to the index. O(tokens) expected. */
  add(place: number, tokens: Uint32Array): void {
    // More pages than were thought of came and went: those are not found, and written twice at worst.
    if (2 * this.#count >= this.#table.length) return;
    this.#count += 1;
    let at = this.#hash(this.#draft.records.parent(place), tokens);
    while (this.#table[at] !== 0) at = (at + 1) & (this.#table.length - 1);
    this.#table[at] = place + 1;
  }

  find(parent: number, salt: string, tokens: Uint32Array): number | undefined {
    const { records } = this.#draft;
    let at = this.#hash(parent, tokens);
    for (let place = this.#table[at] as number; place !== 0; place = this.#table[at] as number) {
      const isIt = records.parent(place - 1) === parent && records.hasTokens(place - 1, tokens);
      if (isIt && this.#draft.saltOf(place - 1) === salt) return place - 1;
      at = (at + 1) & (this.#table.length - 1);
    }
    return undefined;
  }

  #hash(parent: number, tokens: Uint32Array): number {
    let hash = Math.imul(parent + 2, 0x9e3779b1);
    for (let i = 0; i < tokens.length; i += 1)
      hash = Math.imul(hash ^ (tokens[i] as number), 0x85ebca6b) + (hash >>> 15);
    return (hash ^ (hash >>> 16)) & (this.#table.length - 1);
  }
}
