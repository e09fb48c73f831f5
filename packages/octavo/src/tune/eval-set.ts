/** The questions that a setting is judged by. */
import type { ChatRequest, GenerateRequest, Message } from '@octavo/engine';
import { containsValue } from '../demo/evaluation.ts';
import { isRecord, parseJsonLine } from '../json-line.ts';

export interface EvalItem {
  readonly request: GenerateRequest | ChatRequest;
  readonly isRight: (answer: string) => boolean;
}

export type EvalLine = { readonly ok: true; readonly item: EvalItem } | { readonly ok: false; readonly reason: string };

/**
 * One line of an eval file: `messages` or `prompt`, and `expected`, which a right answer contains as a whole (not as part of a longer word
 * or number); with `"match": "exact"` it is the answer. The shipped eval.jsonl is read too. Never throws. Pure.
 */
export function parseEvalLine(line: string): EvalLine {
  const object = parseJsonLine(line);
  if (!object.ok) return object;
  const { messages, prompt, expected, match, expected_value, stated } = object.fields;
  const right = expected ?? expected_value;
  if (typeof right !== 'string' || right === '') return { ok: false, reason: 'it has no "expected"; give a text' };
  if (match !== undefined && match !== 'exact' && match !== 'contains') {
    return { ok: false, reason: '"match" is neither "contains" nor "exact"' };
  }
  const isExact = match === 'exact' || stated === false;
  const isRight = (answer: string) => (isExact ? answer.trim() === right : containsValue(answer, right));
  if (Array.isArray(messages) && messages.every(isMessage))
    return { ok: true, item: { request: { messages }, isRight } };
  if (typeof prompt === 'string') return { ok: true, item: { request: { prompt }, isRight } };
  return { ok: false, reason: 'it has neither "prompt" nor "messages"; give one of them' };
}

function isMessage(value: unknown): value is Message {
  return isRecord(value) && typeof value.role === 'string' && typeof value.content === 'string';
}
