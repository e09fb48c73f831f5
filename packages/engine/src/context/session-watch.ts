/** Watches the sessions of an engine with a detector; what it says ended is ended before the request that it was asked about runs. */
import type { CompleteMessage, PromptInput } from '../protocol.ts';
import type { ContextDetector } from './context-detector.ts';
import { SessionMemory } from './session-memory.ts';

export interface SessionWatchWay {
  readonly detector: ContextDetector;
  /** Ids of a prompt. */
  readonly encode: (prompt: PromptInput) => Promise<readonly number[]>;
  /** Ends what only a session used. */
  readonly closeSession: (session: string, salt: string) => Promise<unknown>;
}

export class SessionWatch {
  readonly #way: SessionWatchWay;
  readonly #memory = new SessionMemory();
  /** The last look at each session: turns are looked at in the order in which they were asked. */
  readonly #looks = new Map<string, Promise<void>>();

  constructor(way: SessionWatchWay) {
    this.#way = way;
  }

  /** Effect: remembers the turn; closes the session in the cache when its context changed. Rejects with what the detector throws. */
  async look(message: CompleteMessage): Promise<void> {
    const { salt, lifetime } = message;
    const { session } = lifetime.claim;
    if (session === undefined) return;
    const key = JSON.stringify([salt, session]);
    const before = this.#looks.get(key) ?? Promise.resolve();
    const look = before.then(() => this.#lookAt(message, session));
    // Whoever comes next waits for this one, and does not fail because of it.
    const settled = look.catch(() => {});
    this.#looks.set(key, settled);
    void settled.then(() => {
      if (this.#looks.get(key) === settled) this.#looks.delete(key);
    });
    return look;
  }

  async #lookAt({ salt, lifetime, prompt }: CompleteMessage, session: string): Promise<void> {
    const { tags = [], context = [] } = lifetime.claim;
    const turn = { ids: Uint32Array.from(await this.#way.encode(prompt)), tags: [...tags, ...context] };
    const previous = this.#memory.next({ salt, session }, turn);
    if (previous === undefined) return;
    if (await this.#way.detector({ session, salt, ...turn, previous })) await this.#way.closeSession(session, salt);
  }
}
