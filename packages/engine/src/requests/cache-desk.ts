/** The host's end of `engine.cache`: what an operator asks of the cache, between two steps. */
import type { ClaimOptions, Invalidation, KvCache, PinResult } from '@octavo/kv';
import type { CacheStats } from '../cache-api.ts';
import type { CacheFiles } from '../cache-file/cache-files.ts';
import { EngineError } from '../errors.ts';
import type { CallKind, CallMessage, Calls, EventBatch, RequestId } from '../protocol.ts';
import type { PromptEncoder } from './prompt-encoder.ts';
import { type Settle, settled } from './settle.ts';

/** Events that are handed over at once at most: a message of bounded size. */
const EVENTS_PER_ANSWER = 1_000;

const NOTHING_ENDED: Invalidation = Object.freeze({ claims: 0, pages: 0, freedPages: 0, endedPins: 0 });

interface EventReader {
  readonly answer: (batch: EventBatch) => void;
  readonly fail: (error: unknown) => void;
}

export interface CacheDeskTools {
  readonly prompts: PromptEncoder;
  /** Calls back when no step is in flight. */
  readonly betweenSteps: (work: () => void) => void;
  /** The same, and not while a cache file is being written. */
  readonly afterFiles: (work: () => void) => void;
}

export class CacheDesk {
  readonly #kv: KvCache | undefined;
  readonly #tools: CacheDeskTools;
  /** What is invalidated must not come back from a file. */
  readonly #files: CacheFiles | undefined;
  /** Who waits for the event behind a number. */
  readonly #readers = new Map<RequestId, EventReader & { readonly after: number }>();
  #isListening = false;
  #isWaking = false;

  /** @param kv absent where nothing is kept. */
  constructor(kv: KvCache | undefined, tools: CacheDeskTools, files?: CacheFiles) {
    this.#kv = kv;
    this.#tools = tools;
    this.#files = files;
  }

  /** Answers between two steps: what a step in flight reads stays as it was planned. Throws what is wrong with the question. */
  ask(message: CallMessage, settle: Settle): void {
    const { id, kind, input } = message;
    const between = (work: () => Calls[CallKind]['output']) => this.#tools.betweenSteps(() => settled(settle, work));
    if (kind === 'cache-stats') between(() => this.stats(input));
    else if (kind === 'cache-invalidate') between(() => this.invalidate(input));
    // A file that is being written has the pins of its beginning: this one ends after it.
    else if (kind === 'cache-unpin') this.#tools.afterFiles(() => settled(settle, () => this.unpin(input)));
    else if (kind === 'cache-events') this.events(id, input.after, settle);
    else if (kind === 'cache-pin') {
      const tokens = this.#tools.prompts.encode(input.prompt);
      between(() => this.pin(tokens, input.salt, input.claim));
    }
  }

  stats(topPrefixes: number): CacheStats {
    const kv = this.#kv;
    if (kv === undefined) return NO_CACHE_STATS;
    kv.expire();
    const stats = kv.stats();
    const {
      totalPages: total,
      freePages: free,
      evictablePages: cached,
      pinnedPages: pinned,
      sharedPages: shared,
    } = stats;
    return {
      pages: { total, free, used: stats.heldPages, shared, cached, pinned },
      pinBudgetPages: kv.pinBudgetPages,
      claims: stats.claims,
      sessions: stats.sessions,
      tags: stats.tags,
      pins: stats.pins,
      evictedPages: stats.evictedPages,
      removedPages: stats.removedPages,
      queriedTokens: stats.queriedTokens,
      hitTokens: stats.hitTokens,
      misses: stats.misses,
      topPrefixes: kv.topPrefixes(topPrefixes).map(({ tokens, ...rest }) => ({ ...rest, ids: [...tokens] })),
    };
  }

  invalidate(target: { readonly tag?: string; readonly session?: string; readonly salt?: string }): Invalidation {
    const claims = this.#files?.end(target) ?? 0;
    const ended = this.#kv?.invalidate(target) ?? NOTHING_ENDED;
    return { ...ended, claims: ended.claims + claims };
  }

  pin(tokens: Uint32Array, salt: string, claim: ClaimOptions): PinResult {
    const request = { tokens, tokenCount: tokens.length, salt, claim };
    return (
      this.#kv?.pin(request) ?? {
        outcome: 'refused',
        reason: 'not-cached',
        neededPages: tokens.length,
        availablePages: 0,
      }
    );
  }

  unpin(pin: number): boolean {
    return this.#kv?.unpin(pin) ?? false;
  }

  /** Answers with the events behind `after`, now or when there are some; with `undefined`, with the number to begin at. */
  events(id: RequestId, after: number | undefined, reader: EventReader): void {
    const events = this.#kv?.events;
    if (events === undefined) {
      throw new EngineError('INVALID_OPTION', 'The engine was opened without a K/V cache: there are no events.');
    }
    if (!this.#isListening) {
      this.#isListening = true;
      events.listen(() => this.#wakeSoon());
    }
    if (after === undefined) reader.answer({ events: [], lastSequence: events.lastSequence });
    else {
      this.#readers.set(id, { ...reader, after });
      this.#handOver();
    }
  }

  /** Nobody waits under this id any more. */
  forget(id: RequestId): void {
    this.#readers.delete(id);
  }

  /** Not within the operation that told the event: whoever is called back may ask the cache something. */
  #wakeSoon(): void {
    if (this.#isWaking || this.#readers.size === 0) return;
    this.#isWaking = true;
    setImmediate(() => {
      this.#isWaking = false;
      this.#handOver();
    });
  }

  #handOver(): void {
    for (const [id, { after, answer, fail }] of [...this.#readers]) {
      const behind = this.#kv?.events.replay(after);
      if (behind?.length === 0) continue;
      this.#readers.delete(id);
      if (behind === undefined) {
        fail(
          new EngineError(
            'EVENTS_LOST',
            `Events behind number ${after} are no longer kept: look at the cache anew, read faster, or open with a larger eventBuffer.`,
          ),
        );
      } else {
        const events = behind.slice(0, EVENTS_PER_ANSWER);
        answer({ events, lastSequence: events.at(-1)?.sequence ?? after });
      }
    }
  }
}

const NO_CACHE_STATS: CacheStats = Object.freeze({
  pages: { total: 0, free: 0, used: 0, shared: 0, cached: 0, pinned: 0 },
  ...{ pinBudgetPages: 0, claims: 0, sessions: 0, tags: 0, pins: 0, evictedPages: 0, removedPages: 0 },
  ...{ queriedTokens: 0, hitTokens: 0 },
  misses: { none: 0, cold: 0, evicted: 0, expired: 0, invalidated: 0, bypass: 0 },
  topPrefixes: [],
});
