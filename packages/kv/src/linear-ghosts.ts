/** The naive memory of evicted pages: the salts and leading tokens themselves, oldest first. */
export class LinearGhosts {
  readonly #entries: number;
  readonly #known = new Set<string>();

  /** @param entries prefixes that are remembered. */
  constructor(entries: number) {
    this.#entries = entries;
  }

  has(salt: string, tokens: readonly number[]): boolean {
    return this.#known.has(keyOf(salt, tokens));
  }

  add(salt: string, tokens: readonly number[]): void {
    this.remove(salt, tokens);
    this.#known.add(keyOf(salt, tokens));
    for (const oldest of this.#known) {
      if (this.#known.size <= this.#entries) break;
      this.#known.delete(oldest);
    }
  }

  remove(salt: string, tokens: readonly number[]): void {
    this.#known.delete(keyOf(salt, tokens));
  }
}

function keyOf(salt: string, tokens: readonly number[]): string {
  return `${salt}:${tokens.join(',')}`;
}
