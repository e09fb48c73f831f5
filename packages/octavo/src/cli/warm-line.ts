/** One line of a file of prompts to warm. */
import type { WarmPrompt } from '@octavo/engine';
import { parseRequestLine } from '../batch/request-line.ts';

export type WarmLine =
  | { readonly ok: true; readonly prompt: WarmPrompt; readonly salt: string }
  | { readonly ok: false; readonly reason: string };

/** Fields of a line, besides those of a request's prompt. `count` is what an export says of how often it was asked. */
const OWN_FIELDS = new Set(['prompt', 'ids', 'messages', 'prefix', 'salt', 'count']);

/** Never throws: what is wrong with a line is an expected answer. Pure. */
export function parseWarmLine(line: string): WarmLine {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return { ok: false, reason: 'it is not JSON; write one object a line' };
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    return { ok: false, reason: 'it is not an object; write one object a line' };
  }
  const unknown = Object.keys(fields).find((name) => !OWN_FIELDS.has(name));
  if (unknown !== undefined) return { ok: false, reason: `the field ${JSON.stringify(unknown)} is unknown` };
  const { prefix = false, count: _, ...rest } = fields as Readonly<Record<string, unknown>>;
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
