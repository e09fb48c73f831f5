import { LRUCache } from 'lru-cache';
import { RECENT_TOKENS, type SessionPast } from './context-detector.ts';

/** Sessions that are remembered at most; of more, those that were not used for longest are forgotten (their next request is a first one). */
const MOST_SESSIONS = 1000;

/** What sessions said last. Memory: at most 16 KiB a session. */
export class SessionMemory {
  readonly #sessions = new LRUCache<string, SessionPast>({ max: MOST_SESSIONS });

  /** Effect: remembers the turn. Returns the one before it. */
  next(name: { readonly salt: string; readonly session: string }, turn: SessionPast): SessionPast | undefined {
    const key = JSON.stringify([name.salt, name.session]);
    const previous = this.#sessions.get(key);
    this.#sessions.set(key, { ids: turn.ids.slice(-RECENT_TOKENS), tags: turn.tags });
    return previous;
  }
}
