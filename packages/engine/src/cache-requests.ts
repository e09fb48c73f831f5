/** What callers say about lifetimes, checked and turned into what the cache takes. Pure; runs in the caller's thread. */
import type { ClaimOptions, InvalidationTarget } from '@octavo/kv';
import type { CacheBreakpoint, CacheRequestOptions, LifetimeOptions } from './cache-api.ts';
import {
  type CheckTable,
  checkOptions,
  integerIn,
  isAnything,
  isBoolean,
  isString,
  isText,
  listOf,
  oneOf,
} from './checks.ts';
import { EngineError } from './errors.ts';

/** Ten years, the longest that the cache takes: whoever means longer means for ever. */
const LONGEST_MS = 3_650 * 24 * 3_600_000;

export const lifetimeChecks: CheckTable<LifetimeOptions> = {
  session: isText,
  tags: listOf(isText),
  ttlMs: integerIn(1, LONGEST_MS),
  slidingTtlMs: integerIn(1, LONGEST_MS),
  cachePriority: oneOf('low', 'normal', 'high'),
};

export const cacheRequestChecks: CheckTable<CacheRequestOptions> = {
  ...lifetimeChecks,
  cache: oneOf('share', 'use-only', 'bypass'),
  context: listOf(isText),
  // Checked one by one in `breakpointsOf`.
  breakpoints: isAnything,
  pin: isBoolean,
};

const breakpointChecks: CheckTable<{ tokens: number; message: number; priority: string }> = {
  tokens: integerIn(1),
  message: integerIn(0),
  priority: oneOf('low', 'normal', 'high'),
};

/** A request's lifetime as it crosses the thread border. */
export interface WireLifetime {
  readonly claim: ClaimOptions;
  readonly breakpoints: readonly CacheBreakpoint[];
  readonly pin: boolean;
}

/** The checked options of a request. Throws INVALID_OPTION, UNKNOWN_OPTION. */
export function lifetimeOf(request: CacheRequestOptions, messages: number | undefined): WireLifetime {
  return {
    claim: claimOf(request),
    breakpoints: breakpointsOf(request.breakpoints, messages),
    pin: request.pin ?? false,
  };
}

/** What a claim of these options says. Pure. */
export function claimOf(options: LifetimeOptions & { readonly context?: readonly string[] }): ClaimOptions {
  const { session, tags, context, ttlMs, slidingTtlMs, cachePriority } = options;
  return {
    ...(session === undefined ? {} : { session }),
    ...(tags === undefined ? {} : { tags: [...tags] }),
    ...(context === undefined ? {} : { context: [...context] }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(slidingTtlMs === undefined ? {} : { slidingTtlMs }),
    ...(cachePriority === undefined ? {} : { priority: cachePriority }),
  };
}

/** Throws UNKNOWN_OPTION, INVALID_OPTION unless something is named. */
export function targetOf(target: InvalidationTarget): InvalidationTarget {
  checkOptions<InvalidationTarget>('what to invalidate', target, { tag: isString, session: isString, salt: isString });
  const { tag, session, salt } = target;
  if (tag === undefined && session === undefined && salt === undefined) {
    throw new EngineError('INVALID_OPTION', 'Nothing is named to invalidate: give a tag, a session or a salt.');
  }
  return {
    ...(tag === undefined ? {} : { tag }),
    ...(session === undefined ? {} : { session }),
    ...(salt === undefined ? {} : { salt }),
  };
}

function breakpointsOf(breakpoints: unknown, messages: number | undefined): readonly CacheBreakpoint[] {
  if (breakpoints === undefined) return [];
  if (!Array.isArray(breakpoints)) {
    throw new EngineError('INVALID_OPTION', 'breakpoints is no list: give a list of { tokens } or { message }.', {
      details: { option: 'breakpoints' },
    });
  }
  return breakpoints.map((given: unknown) => breakpointOf(given, messages));
}

function breakpointOf(given: unknown, messages: number | undefined): CacheBreakpoint {
  checkOptions('a breakpoint', given, breakpointChecks);
  const { tokens, message } = given as { tokens?: number; message?: number };
  if ((tokens === undefined) === (message === undefined)) {
    throw new EngineError('INVALID_OPTION', 'A breakpoint has to have either tokens or message: give one of them.', {
      details: { option: 'breakpoints' },
    });
  }
  if (message !== undefined && (messages === undefined || message >= messages)) {
    const there = messages === undefined ? 'no messages' : `${messages} messages, counted from 0`;
    throw new EngineError('INVALID_OPTION', `A breakpoint is at message ${message}, but the prompt has ${there}.`, {
      details: { option: 'breakpoints' },
    });
  }
  return { ...(given as CacheBreakpoint) };
}
