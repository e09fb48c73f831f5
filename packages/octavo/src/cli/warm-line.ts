/** One line of a file of prompts to warm. */
import type { WarmPrompt } from '@octavo/engine';
import { parseRequestLine } from '../batch/request-line.ts';
import { parseJsonLine } from '../json-line.ts';

export type WarmLine =
  | { readonly ok: true; readonly prompt: WarmPrompt; readonly salt: string }
  | { readonly ok: false; readonly reason: string };

/** Fields of a line, besides those of a request's prompt. `count` is what an export says of how often it was asked. */
const OWN_FIELDS = new Set(['prompt', 'ids', 'messages', 'prefix', 'salt', 'count']);

/** Never throws: what is wrong with a line is an expected answer. Pure. */
export function parseWarmLine(line: string): WarmLine {
  const object = parseJsonLine(line);
  if (!object.ok) return object;
  const { fields } = object;
  const unknown = Object.keys(fields).find((name) => !OWN_FIELDS.has(name));
  if (unknown !== undefined) return { ok: false, reason: `the field ${JSON.stringify(unknown)} is unknown` };
  const { prefix = false, count: _, ...rest } = fields;
  if (typeof prefix !== 'boolean')
    return { ok: false, reason: 'the field "prefix" has another type; give true or false' };
  // The prompt of a request, in all its forms, under a name that it needs.
  const parsed = parseRequestLine(JSON.stringify({ ...rest, id: 0 }));
  if (!parsed.ok) return { ok: false, reason: parsed.reason };
  const { request } = parsed;
  const salt = request.salt ?? '';
  if ('messages' in request) return { ok: true, prompt: { messages: request.messages, prefix }, salt };
  if (prefix) return { ok: false, reason: '"prefix" goes with "messages" only' };
  return { ok: true, prompt: 'ids' in request ? request.ids : request.prompt, salt };
}
