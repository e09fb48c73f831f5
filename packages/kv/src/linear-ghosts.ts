import type { GhostReason } from './eviction-memory.ts';

/** The naive memory of pages that left: the salts and leading tokens themselves, oldest first, with the reason. */
export class LinearGhosts {
  readonly #entries: number;
  readonly #known = new Map<string, GhostReason>();

  /** @param entries prefixes that are remembered. */
  constructor(entries: number) {
    this.#entries = entries;
  }

  reasonOf(salt: string, tokens: readonly number[]): GhostReason | undefined {
    return this.#known.get(keyOf(salt, tokens));
  }

  add(salt: string, tokens: readonly number[], reason: GhostReason): void {
    this.remove(salt, tokens);
    this.#known.set(keyOf(salt, tokens), reason);
    for (const oldest of this.#known.keys()) {
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
