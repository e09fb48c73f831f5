import { versionedName } from './claim-terms.ts';
import { KvError } from './errors.ts';
import type { AcquireRequest, KvOptions } from './kv-cache.ts';
import type {
  Breakpoint,
  ClaimOptions,
  InvalidationTarget,
  LifetimeDefaults,
  PinRequest,
  RestoreRequest,
} from './lifetimes.ts';

const OPTION_NAMES = [
  'pages',
  'pageSize',
  'index',
  'ghostEntries',
  'clock',
  'pinBudgetPages',
  'lifetimes',
  'eventBuffer',
] satisfies (keyof KvOptions)[];
const CLAIM_NAMES = [
  'session',
  'tags',
  'context',
  'ttlMs',
  'slidingTtlMs',
  'priority',
] satisfies (keyof ClaimOptions)[];
const TARGET_NAMES = ['tag', 'session', 'salt'] satisfies (keyof InvalidationTarget)[];
const DEFAULT_NAMES = ['ttlMs', 'slidingTtlMs', 'sessionIdleMs', 'tags'] satisfies (keyof LifetimeDefaults)[];
const PRIORITIES: readonly unknown[] = ['low', 'normal', 'high'];

/** Ten years: whoever means longer means for ever. */
const LONGEST_MS = 3_650 * 24 * 3_600_000;

type Code = 'INVALID_OPTIONS' | 'INVALID_REQUEST';

/** Throws INVALID_OPTIONS unless every option is known and in its range. */
export function assertOptions(options: KvOptions): void {
  assertKeys('INVALID_OPTIONS', 'option', options, OPTION_NAMES);
  assertWhole('INVALID_OPTIONS', 'pages', options.pages, 2);
  assertWhole('INVALID_OPTIONS', 'pageSize', options.pageSize, 1);
  if (options.ghostEntries !== undefined) assertWhole('INVALID_OPTIONS', 'ghostEntries', options.ghostEntries, 0);
  if (options.index !== undefined && options.index !== 'radix' && options.index !== 'linear') {
    throw new KvError('INVALID_OPTIONS', `index must be "radix" or "linear", not ${String(options.index)}.`);
  }
  const { pinBudgetPages = 0, eventBuffer = 0, lifetimes = {}, clock } = options;
  if (clock !== undefined && typeof clock !== 'function')
    throw new KvError('INVALID_OPTIONS', 'clock must be a function that returns milliseconds.');
  assertWhole('INVALID_OPTIONS', 'pinBudgetPages', pinBudgetPages, 0);
  assertWhole('INVALID_OPTIONS', 'eventBuffer', eventBuffer, 0);
  if (pinBudgetPages > options.pages - 2) {
    throw new KvError(
      'INVALID_OPTIONS',
      `pinBudgetPages is ${pinBudgetPages}, but the pool has ${options.pages - 1} pages to allocate, and at least one must be left to requests.`,
    );
  }
  assertDefaults(lifetimes, clock !== undefined);
}

/** Throws INVALID_REQUEST unless the target names something, and nothing unknown. */
export function assertTarget(target: InvalidationTarget): void {
  assertKeys('INVALID_REQUEST', 'target', target, TARGET_NAMES);
  const named = TARGET_NAMES.filter((name) => target[name] !== undefined);
  if (named.length === 0) throw new KvError('INVALID_REQUEST', 'Name a tag, a session or a salt to invalidate.');
  for (const name of named) {
    if (typeof target[name] !== 'string') throw new KvError('INVALID_REQUEST', `${name} must be a string.`);
  }
}

/** Throws INVALID_REQUEST unless every field is in its range. */
export function assertPin(request: PinRequest, hasClock: boolean): void {
  assertPrompt(request.tokens, request.tokenCount, request.salt);
  assertClaim(request.claim ?? {}, hasClock);
}

/** Throws INVALID_REQUEST unless every field is in its range. */
export function assertRestore(request: RestoreRequest, hasClock: boolean): void {
  assertPrompt(request.tokens, request.tokenCount, request.salt);
  if (request.claims.length === 0) throw new KvError('INVALID_REQUEST', 'A path without a claim would not stay.');
  for (const { isPinned: _flag, ...claim } of request.claims) assertClaim(claim, hasClock);
}

/** Throws INVALID_REQUEST unless there is a prompt of at least one token. */
export function assertPrompt(tokens: Uint32Array, tokenCount: number, salt: string): void {
  if (!(tokens instanceof Uint32Array)) throw new KvError('INVALID_REQUEST', 'tokens must be a Uint32Array.');
  assertWhole('INVALID_REQUEST', 'tokenCount', tokenCount, 1);
  if (tokenCount > tokens.length) {
    throw new KvError('INVALID_REQUEST', `tokenCount is ${tokenCount}, but only ${tokens.length} tokens were given.`);
  }
  if (typeof salt !== 'string') throw new KvError('INVALID_REQUEST', 'salt must be a string; the empty one will do.');
}

/** Throws INVALID_REQUEST unless every field is in its range. */
export function assertRequest(request: AcquireRequest, hasClock: boolean): void {
  assertPrompt(request.tokens, request.tokenCount, request.salt);
  assertWhole('INVALID_REQUEST', 'roomTokens', request.roomTokens, 0);
  assertWhole('INVALID_REQUEST', 'keepPages', request.keepPages, 0);
  const { mode } = request;
  if (mode !== 'share' && mode !== 'use-only' && mode !== 'bypass') {
    throw new KvError('INVALID_REQUEST', `mode must be "share", "use-only" or "bypass", not ${String(mode)}.`);
  }
  assertLifetime(request, hasClock);
}

/** Throws INVALID_REQUEST unless claim and breakpoints are as they have to be. */
export function assertLifetime(request: Pick<AcquireRequest, 'claim' | 'breakpoints'>, hasClock: boolean): void {
  const { claim, breakpoints } = request;
  if (claim !== undefined) assertClaim(claim, hasClock);
  if (breakpoints !== undefined) assertBreakpoints(breakpoints);
}

function assertClaim(claim: ClaimOptions, hasClock: boolean): void {
  assertKeys('INVALID_REQUEST', 'claim field', claim, CLAIM_NAMES);
  const { session, tags, context, priority } = claim;
  if (session !== undefined && typeof session !== 'string')
    throw new KvError('INVALID_REQUEST', 'session must be a string.');
  if (tags !== undefined || context !== undefined) assertTags(tags ?? [], context ?? []);
  if (context !== undefined && context.length > 0 && session === undefined)
    throw new KvError('INVALID_REQUEST', 'A context needs the session that it belongs to.');
  if (priority !== undefined && !PRIORITIES.includes(priority))
    throw new KvError('INVALID_REQUEST', `priority must be "low", "normal" or "high", not ${String(priority)}.`);
  assertTimes('INVALID_REQUEST', claim, hasClock);
}

function assertTags(tags: readonly string[], context: readonly string[]): void {
  const named = [...tags, ...context];
  if (!named.every((tag) => typeof tag === 'string' && tag !== ''))
    throw new KvError('INVALID_REQUEST', 'Tags must be strings that are not empty.');
  if (named.length < 2) return;
  const versions = new Map<string, string>();
  for (const tag of named) {
    const name = versionedName(tag) ?? tag;
    const other = versions.get(name);
    if (other !== undefined && other !== tag)
      throw new KvError('INVALID_REQUEST', `Tags ${other} and ${tag} are two versions of the same; name one of them.`);
    versions.set(name, tag);
  }
}

function assertBreakpoints(breakpoints: readonly Breakpoint[]): void {
  let last = 0;
  for (const { tokens, priority } of breakpoints) {
    assertWhole('INVALID_REQUEST', 'breakpoint tokens', tokens, 1);
    if (tokens <= last) throw new KvError('INVALID_REQUEST', `Breakpoints must rise, but ${tokens} follows ${last}.`);
    if (priority !== undefined && !PRIORITIES.includes(priority))
      throw new KvError('INVALID_REQUEST', `priority must be "low", "normal" or "high", not ${String(priority)}.`);
    last = tokens;
  }
}

function assertDefaults(lifetimes: LifetimeDefaults, hasClock: boolean): void {
  assertKeys('INVALID_OPTIONS', 'lifetimes option', lifetimes, DEFAULT_NAMES);
  const { sessionIdleMs, tags = {} } = lifetimes;
  assertTimes('INVALID_OPTIONS', lifetimes, hasClock);
  assertTimes('INVALID_OPTIONS', sessionIdleMs === undefined ? {} : { ttlMs: sessionIdleMs }, hasClock);
  for (const [tag, lifetime] of Object.entries(tags)) {
    assertKeys('INVALID_OPTIONS', `lifetimes field of tag ${tag}`, lifetime, ['ttlMs', 'slidingTtlMs', 'priority']);
    assertTimes('INVALID_OPTIONS', lifetime, hasClock);
    if (lifetime.priority !== undefined && !PRIORITIES.includes(lifetime.priority))
      throw new KvError('INVALID_OPTIONS', `priority of tag ${tag} must be "low", "normal" or "high".`);
  }
}

function assertTimes(
  code: Code,
  times: { readonly ttlMs?: number | undefined; readonly slidingTtlMs?: number | undefined },
  hasClock: boolean,
): void {
  const { ttlMs, slidingTtlMs } = times;
  if (ttlMs !== undefined) assertTime(code, 'ttlMs', ttlMs, hasClock);
  if (slidingTtlMs !== undefined) assertTime(code, 'slidingTtlMs', slidingTtlMs, hasClock);
}

function assertTime(code: Code, name: string, value: number, hasClock: boolean): void {
  if (!Number.isInteger(value) || value < 1 || value > LONGEST_MS)
    throw new KvError(code, `${name} must be whole milliseconds from 1 to ${LONGEST_MS} (ten years), not ${value}.`);
  if (!hasClock) throw new KvError(code, `${name} needs a cache with a clock; pass one to createKvCache.`);
}

function assertKeys(code: Code, what: string, given: object, known: readonly string[]): void {
  // Not over `Object.keys`: each request would leave an array behind.
  for (const name in given) {
    if (!known.includes(name)) throw new KvError(code, `Unknown ${what} "${name}"; known are ${known.join(', ')}.`);
  }
}

function assertWhole(code: Code, name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new KvError(code, `${name} must be a whole number of at least ${least}, not ${String(value)}.`);
  }
}
