import { tagsOf } from './claim-terms.ts';
import type { MissReason } from './kv-cache.ts';
import { pageKey } from './kv-events.ts';
import type { Entry, LinearEntries } from './linear-entries.ts';
import { LinearGhosts } from './linear-ghosts.ts';
import type { FoundPath } from './linear-search.ts';
import type { IndexOptions, PageRun, RemovalReason } from './prefix-index.ts';
import { TokenDigest } from './token-digest.ts';

/** What the naive index remembers and tells of pages that come and go. */
export class LinearStory {
  readonly ghosts: LinearGhosts;
  readonly #options: IndexOptions;
  readonly #entries: LinearEntries;

  constructor(options: IndexOptions, entries: LinearEntries) {
    this.#options = options;
    this.#entries = entries;
    this.ghosts = new LinearGhosts(options.ghostEntries * 2);
  }

  /** A page is in the index. */
  stored(entry: Entry, run: PageRun): void {
    const { events } = this.#options;
    if (!events.isRecording) return;
    const { parent } = entry;
    events.tell({
      kind: 'stored',
      medium: 'memory',
      salt: entry.salt,
      ...(parent?.parent === undefined ? {} : { parent: this.#keyOf(parent) }),
      keys: [this.#keyOf(entry)],
      tokens: entry.tokens,
      pageSize: this.#options.pageSize,
      tags: run.terms === undefined ? [] : tagsOf(run.terms),
    });
  }

  /** A page is about to leave. */
  removed(entry: Entry, reason: RemovalReason): void {
    const { salt, tokens } = entry;
    if (reason !== 'replaced') {
      const before = this.#entries.tokensBefore(entry);
      this.ghosts.add(salt, [...before, ...tokens.slice(0, 1)], reason);
      this.ghosts.add(salt, [...before, ...tokens], reason);
    }
    const { events } = this.#options;
    if (events.isRecording)
      events.tell({ kind: 'removed', medium: 'memory', salt, keys: [this.#keyOf(entry)], reason });
  }

  #keyOf(entry: Entry): string {
    const tokens = [...this.#entries.tokensBefore(entry), ...entry.tokens];
    const digest = new TokenDigest();
    digest.start(entry.salt);
    digest.add(Uint32Array.from(tokens), 0, tokens.length);
    return pageKey(digest.high, digest.low);
  }

  /** Why the token after the match is missing. */
  explain(prompt: readonly number[], matchedTokens: number, found: FoundPath, salt: string): MissReason {
    if (matchedTokens === prompt.length - 1) return 'none';
    if (found.metExpired) return 'expired';
    const from = matchedTokens - (matchedTokens % this.#options.pageSize);
    const last = matchedTokens === from ? from + 1 : Math.min(prompt.length, from + this.#options.pageSize);
    for (let count = matchedTokens + 1; count <= last; count++) {
      const reason = this.ghosts.reasonOf(salt, prompt.slice(0, count));
      if (reason !== undefined) return reason;
    }
    return 'cold';
  }
}
