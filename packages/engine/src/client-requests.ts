/** What callers pass in, checked and turned into messages. Pure; runs in the caller's thread, where a mistake is cheapest to report. */
import type { ChatRequest, EngineInfo, GenerateRequest, Message, RequestOptions, SamplingOptions } from './api.ts';
import type { WarmOptions } from './cache-api.ts';
import { cacheRequestChecks, claimOf, lifetimeChecks, lifetimeOf } from './cache-requests.ts';
import {
  type CheckTable,
  checkOptions,
  integerIn,
  isAnything,
  isBoolean,
  isFunction,
  isSignal,
  isString,
  isText,
  listOf,
} from './checks.ts';
import { EngineError } from './errors.ts';
import type { Calls, CompleteMessage, PromptInput, WarmInput } from './protocol.ts';
import { type ResolvedSampling, resolveSampling } from './sampling/resolve-sampling.ts';
import { type ResolvedTruncation, resolveTruncation } from './truncation/resolve-truncation.ts';
import type { Truncation } from './truncation-api.ts';

/** Priorities of requests are above the lowest one, which is the engine's own: warming runs behind everything else. */
export const LOWEST_PRIORITY = -(2 ** 31);
const HIGHEST_PRIORITY = 2 ** 31 - 1;

/** Seeds are drawn below this: few enough digits to be typed again. */
const DRAWN_SEEDS = 2 ** 32;

const samplingChecks: CheckTable<SamplingOptions> = {
  temperature: isAnything,
  topK: isAnything,
  topP: isAnything,
  minP: isAnything,
  repetitionPenalty: isAnything,
  presencePenalty: isAnything,
  frequencyPenalty: isAnything,
  seed: isAnything,
};
const requestChecks: CheckTable<RequestOptions> = {
  ...samplingChecks,
  maxTokens: integerIn(1),
  stop: listOf(isText),
  stopIds: isAnything,
  ignoreEos: isBoolean,
  salt: isString,
  priority: integerIn(LOWEST_PRIORITY + 1, HIGHEST_PRIORITY),
  ...cacheRequestChecks,
  truncation: isAnything,
  signal: isSignal,
};
// Ids are checked one by one in `idsOf`, messages in `messagesOf`, sampling in `resolveSampling`, truncation in `resolveTruncation`.
const generateChecks: CheckTable<RequestOptions & { prompt: string; ids: unknown }> = {
  prompt: isString,
  ids: isAnything,
  ...requestChecks,
};
const chatChecks: CheckTable<ChatRequest> = { messages: isAnything, ...requestChecks };
const messageChecks: CheckTable<Message> = { role: isText, content: isString };

/** A message without what only the client knows. */
export type CheckedRequest = Omit<CompleteMessage, 'type' | 'id' | 'submittedMs' | 'truncation'>;

/** Throws UNKNOWN_OPTION, INVALID_OPTION, TOKEN_OUT_OF_VOCABULARY, EMPTY_PROMPT. */
export function checkGenerate(request: GenerateRequest, model: EngineInfo): CheckedRequest {
  checkOptions('a generate request', request, generateChecks);
  return { prompt: promptOf('a generate request', request, model, 'prompt'), ...optionsOf(request, model) };
}

/** Throws UNKNOWN_OPTION, INVALID_OPTION, EMPTY_PROMPT. */
export function checkChat(request: ChatRequest, model: EngineInfo): CheckedRequest {
  checkOptions('a chat request', request, chatChecks);
  const messages = messagesOf(request.messages);
  return { prompt: { kind: 'messages', messages }, ...optionsOf(request, model, messages.length) };
}

/** Throws UNKNOWN_OPTION, INVALID_OPTION, TOKEN_OUT_OF_VOCABULARY, EMPTY_PROMPT. */
export function checkScore(request: object, model: EngineInfo): PromptInput {
  checkOptions<{ text: string; ids: unknown }>('a score request', request, { text: isString, ids: isAnything });
  return promptOf('a score request', request, model, 'text');
}

/** Prompts to warm: each a text, ids, or messages. Throws as the other checks. */
export function checkWarm(prompts: unknown, options: WarmOptions, model: EngineInfo): Calls['warm']['input'] {
  checkOptions<WarmOptions>('the options of warm', options, {
    ...lifetimeChecks,
    salt: isString,
    pin: isBoolean,
    refresh: isBoolean,
    onProgress: isFunction,
    signal: isSignal,
  });
  if (!Array.isArray(prompts)) {
    throw new EngineError(
      'INVALID_OPTION',
      'The prompts to warm are no list: give a list of texts, ids or { messages }.',
    );
  }
  return {
    prompts: prompts.map((prompt: unknown) => warmPrompt(prompt, model)),
    salt: options.salt ?? '',
    claim: claimOf(options),
    pin: options.pin ?? false,
    refresh: options.refresh ?? false,
  };
}

/**
 * What a request says about truncation, else what the engine was opened with. Throws UNKNOWN_OPTION, INVALID_OPTION: `turns` of a prompt
 * that has none.
 */
export function truncationOf(
  request: { readonly truncation?: Truncation },
  engine: ResolvedTruncation,
  kind: PromptInput['kind'],
): ResolvedTruncation {
  const own = resolveTruncation('a request', request.truncation);
  if (own?.rule.policy === 'turns' && kind !== 'messages') {
    throw new EngineError(
      'INVALID_OPTION',
      "truncation is 'turns', but the prompt has no messages: give 'head-and-tail'.",
      {
        details: { option: 'truncation' },
      },
    );
  }
  return own ?? engine;
}

/** What a caller's function made of a long prompt. Throws INVALID_OPTION, UNKNOWN_OPTION, TOKEN_OUT_OF_VOCABULARY, EMPTY_PROMPT. */
export function checkShorter(shorter: unknown, model: EngineInfo): PromptInput {
  const where = 'what the truncation function returned';
  checkOptions<{ prompt: string; ids: unknown; messages: unknown }>(where, shorter, {
    prompt: isString,
    ids: isAnything,
    messages: isAnything,
  });
  const { messages } = shorter as { messages?: unknown };
  if (messages === undefined) return promptOf(where, shorter as object, model, 'prompt');
  return { kind: 'messages', messages: messagesOf(messages) };
}

/** A text, ids or messages. Throws as the other checks. */
export function cachePrompt(prompt: unknown, model: EngineInfo): PromptInput {
  if (typeof prompt === 'string') return { kind: 'text', text: prompt };
  if (Array.isArray(prompt) || prompt instanceof Uint32Array) return { kind: 'ids', ids: idsOf(prompt, model) };
  checkOptions<{ messages: unknown }>('a prompt', prompt, { messages: isAnything });
  return { kind: 'messages', messages: messagesOf((prompt as { messages?: unknown }).messages) };
}

function warmPrompt(prompt: unknown, model: EngineInfo): WarmInput {
  if (typeof prompt === 'string') return { kind: 'text', text: prompt };
  if (Array.isArray(prompt) || prompt instanceof Uint32Array) return { kind: 'ids', ids: idsOf(prompt, model) };
  checkOptions<{ messages: unknown; prefix: boolean }>('a prompt to warm', prompt, {
    messages: isAnything,
    prefix: isBoolean,
  });
  const { messages, prefix = false } = prompt as { messages?: unknown; prefix?: boolean };
  return { kind: prefix ? 'prefix' : 'messages', messages: messagesOf(messages) };
}

/** The path of a cache file. Throws INVALID_OPTION. */
export function checkFile(file: unknown): string {
  if (typeof file === 'string' && file !== '') return file;
  throw new EngineError('INVALID_OPTION', 'The cache file is no path: give the path of a file.', {
    details: { option: 'file' },
  });
}

/** How many openings are wanted. Throws INVALID_OPTION. */
export function checkMost(most: unknown): number {
  const wanted = integerIn(1)(most);
  if (wanted === undefined) return most as number;
  throw new EngineError('INVALID_OPTION', `most is ${String(most)}: give ${wanted}.`, { details: { option: 'most' } });
}

/** Throws INVALID_OPTION. */
export function checkText(text: unknown): string {
  if (typeof text === 'string') return text;
  throw new EngineError('INVALID_OPTION', `The text is of type ${typeof text}: give a string.`, {
    details: { option: 'text' },
  });
}

/** Token ids as a fresh column. Throws TOKEN_OUT_OF_VOCABULARY, INVALID_OPTION. O(ids). */
export function idsOf(ids: unknown, model: EngineInfo): Uint32Array {
  if (!Array.isArray(ids) && !(ids instanceof Uint32Array)) {
    throw new EngineError(
      'INVALID_OPTION',
      'ids is no list of token ids: give an array of integers or a Uint32Array.',
      {
        details: { option: 'ids' },
      },
    );
  }
  const { vocabulary } = model.shape;
  const column = new Uint32Array(ids.length);
  for (let i = 0; i < ids.length; i += 1) {
    const id: unknown = ids[i];
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= vocabulary) {
      throw new EngineError(
        'TOKEN_OUT_OF_VOCABULARY',
        `Token id ${id} at position ${i} is not in the vocabulary: give integers from 0 to ${vocabulary - 1}.`,
        { details: { token: Number(id), position: i, vocabulary } },
      );
    }
    column[i] = id as number;
  }
  return column;
}

/** Exactly one of the text key and `ids`. */
function promptOf(where: string, request: object, model: EngineInfo, textKey: 'prompt' | 'text'): PromptInput {
  const { [textKey]: text, ids } = request as { prompt?: string; text?: string; ids?: unknown };
  if ((text === undefined) === (ids === undefined)) {
    throw new EngineError(
      'INVALID_OPTION',
      `${where} has ${text === undefined ? 'neither' : 'both'} ${textKey} and ids: give one of them.`,
    );
  }
  return text === undefined ? { kind: 'ids', ids: idsOf(ids, model) } : { kind: 'text', text };
}

function messagesOf(messages: unknown): Message[] {
  if (!Array.isArray(messages)) {
    throw new EngineError('INVALID_OPTION', 'messages is no list: give a list of { role, content }.', {
      details: { option: 'messages' },
    });
  }
  if (messages.length === 0) throw new EngineError('EMPTY_PROMPT', 'messages is empty: give at least one message.');
  return messages.map((message: unknown) => {
    checkOptions('a message', message, messageChecks);
    const { role, content } = message as Partial<Message>;
    if (role === undefined || content === undefined) {
      throw new EngineError(
        'INVALID_OPTION',
        `A message has no ${role === undefined ? 'role' : 'content'}: give both role and content.`,
      );
    }
    return { role, content };
  });
}

function optionsOf(request: RequestOptions, model: EngineInfo, messages?: number): Omit<CheckedRequest, 'prompt'> {
  return {
    stop: [...(request.stop ?? [])],
    stopIds: Array.from(idsOf(request.stopIds ?? [], model)),
    ignoreEos: request.ignoreEos ?? false,
    salt: request.salt ?? '',
    priority: request.priority ?? 0,
    cache: request.cache ?? 'share',
    lifetime: lifetimeOf(request, messages),
    sampling: samplingOf(request),
    ...(request.maxTokens === undefined ? {} : { maxTokens: request.maxTokens }),
  };
}

function samplingOf(request: RequestOptions): ResolvedSampling {
  const resolved = resolveSampling(request, Math.floor(Math.random() * DRAWN_SEEDS));
  if (resolved.ok) return resolved.sampling;
  const { option, value, expected } = resolved;
  throw new EngineError('INVALID_OPTION', `${option} is ${String(value)}: give ${expected}.`, { details: { option } });
}
