import { RECENT_TOKENS, type SessionPast } from './context-detector.ts';

/** Sessions that are remembered at most; of more, those that were not used for longest are forgotten (their next request is a first one). */
const MOST_SESSIONS = 1000;

/** What sessions said last. Memory: at most 16 KiB a session. */
export class SessionMemory {
  /** In order of use: the oldest first. */
  readonly #sessions = new Map<string, SessionPast>();

  /** Effect: remembers the turn. Returns the one before it. */
  next(name: { readonly salt: string; readonly session: string }, turn: SessionPast): SessionPast | undefined {
    const key = JSON.stringify([name.salt, name.session]);
    const previous = this.#sessions.get(key);
    this.#sessions.delete(key);
    this.#sessions.set(key, { ids: turn.ids.slice(-RECENT_TOKENS), tags: turn.tags });
    if (this.#sessions.size > MOST_SESSIONS) {
      const [oldest] = this.#sessions.keys();
      this.#sessions.delete(oldest as string);
    }
    return previous;
  }
}
