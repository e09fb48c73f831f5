import { KvError } from './errors.ts';
import type { AcquireRequest, KvOptions } from './kv-cache.ts';

const OPTION_NAMES: readonly string[] = ['pages', 'pageSize', 'index', 'ghostEntries'] satisfies (keyof KvOptions)[];

/** Throws INVALID_OPTIONS unless every option is known and in its range. */
export function assertOptions(options: KvOptions): void {
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.includes(name)) {
      throw new KvError('INVALID_OPTIONS', `Unknown option "${name}"; the options are ${OPTION_NAMES.join(', ')}.`);
    }
  }
  assertWhole('INVALID_OPTIONS', 'pages', options.pages, 2);
  assertWhole('INVALID_OPTIONS', 'pageSize', options.pageSize, 1);
  if (options.ghostEntries !== undefined) assertWhole('INVALID_OPTIONS', 'ghostEntries', options.ghostEntries, 0);
  if (options.index !== undefined && options.index !== 'radix' && options.index !== 'linear') {
    throw new KvError('INVALID_OPTIONS', `index must be "radix" or "linear", not ${String(options.index)}.`);
  }
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
export function assertRequest(request: AcquireRequest): void {
  assertPrompt(request.tokens, request.tokenCount, request.salt);
  assertWhole('INVALID_REQUEST', 'roomTokens', request.roomTokens, 0);
  assertWhole('INVALID_REQUEST', 'keepPages', request.keepPages, 0);
  if (request.mode !== 'share' && request.mode !== 'bypass') {
    throw new KvError('INVALID_REQUEST', `mode must be "share" or "bypass", not ${String(request.mode)}.`);
  }
}

function assertWhole(code: 'INVALID_OPTIONS' | 'INVALID_REQUEST', name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new KvError(code, `${name} must be a whole number of at least ${least}, not ${String(value)}.`);
  }
}
