/** The caller's end of `engine.cache`: checks what is asked, and asks the host. */
import type { Invalidation, InvalidationTarget, KvEvent, PinId, PinResult } from '@octavo/kv';
import type { CachePrompt, CacheStats, EngineCache, LifetimeOptions } from './cache-api.ts';
import type { CacheExport, CacheImport, CacheTreeEntry, LearnedOpening } from './cache-file-api.ts';
import { claimOf, lifetimeChecks, targetOf } from './cache-requests.ts';
import { checkOptions, integerIn, isSignal, isString } from './checks.ts';
import { checkFile, checkMost } from './client-requests.ts';
import { EngineError } from './errors.ts';
import type { CallKind, Calls, PromptInput } from './protocol.ts';

export interface CacheClientParts {
  readonly call: <Kind extends CallKind>(
    kind: Kind,
    input: Calls[Kind]['input'],
    signal?: AbortSignal,
  ) => Promise<Calls[Kind]['output']>;
  readonly promptOf: (prompt: unknown) => PromptInput;
}

type PinOptions = Omit<LifetimeOptions, 'cachePriority'> & { readonly salt?: string };

export class CacheClient implements EngineCache {
  readonly #parts: CacheClientParts;

  constructor(parts: CacheClientParts) {
    this.#parts = parts;
  }

  async stats(options: { readonly topPrefixes?: number } = {}): Promise<CacheStats> {
    checkOptions<{ topPrefixes: number }>('the options of cache.stats', options, { topPrefixes: integerIn(0, 10_000) });
    return this.#parts.call('cache-stats', options.topPrefixes ?? 0);
  }

  async invalidate(target: InvalidationTarget): Promise<Invalidation> {
    return this.#parts.call('cache-invalidate', targetOf(target));
  }

  async closeSession(session: string, options: { readonly salt?: string } = {}): Promise<Invalidation> {
    checkOptions<{ salt: string }>('the options of closeSession', options, { salt: isString });
    return this.invalidate({ session, ...options });
  }

  async pin(prompt: CachePrompt, options: PinOptions = {}): Promise<PinResult> {
    const { cachePriority: _unused, ...checks } = lifetimeChecks;
    checkOptions<PinOptions>('the options of pin', options, { ...checks, salt: isString });
    const { salt = '' } = options;
    return this.#parts.call('cache-pin', { prompt: this.#parts.promptOf(prompt), salt, claim: claimOf(options) });
  }

  async unpin(pin: PinId): Promise<boolean> {
    if (!Number.isSafeInteger(pin)) {
      throw new EngineError('INVALID_OPTION', `${String(pin)} is no pin: give the number that pin returned.`);
    }
    return this.#parts.call('cache-unpin', pin);
  }

  async export(file: string): Promise<CacheExport> {
    return this.#parts.call('cacheExport', checkFile(file));
  }

  async import(file: string): Promise<CacheImport> {
    return this.#parts.call('cacheImport', checkFile(file));
  }

  async tree(): Promise<readonly CacheTreeEntry[]> {
    return this.#parts.call('cacheTree', null);
  }

  async openings(most = 100): Promise<readonly LearnedOpening[]> {
    return this.#parts.call('openings', checkMost(most));
  }

  async *events(options: { readonly after?: number; readonly signal?: AbortSignal } = {}): AsyncIterable<KvEvent> {
    checkOptions<{ after: number; signal: AbortSignal }>('the options of events', options, {
      after: integerIn(0),
      signal: isSignal,
    });
    const { signal } = options;
    let after = options.after ?? (await this.#parts.call('cache-events', { after: undefined }, signal)).lastSequence;
    for (;;) {
      const { events, lastSequence } = await this.#parts.call('cache-events', { after }, signal);
      yield* events;
      after = lastSequence;
    }
  }
}
