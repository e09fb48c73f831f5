/** One line of a request file: what it may hold, and how it becomes a request. */
import type { ChatRequest, GenerateRequest, Message, RequestOptions } from '@octavo/engine';
import { isRecord, parseJsonLine } from '../json-line.ts';

export type LineId = string | number;

/** A line that can be served, or the reason why not. `id` is null when the line has none that can be read. */
export type RequestLine =
  | { readonly ok: true; readonly id: LineId; readonly request: GenerateRequest | ChatRequest }
  | { readonly ok: false; readonly id: LineId | null; readonly reason: string };

/** A kind of value: how it is recognised, and what a person should write instead of another one. */
interface FieldKind {
  readonly wanted: string;
  readonly accepts: (value: unknown) => boolean;
}

const text: FieldKind = { wanted: 'a string', accepts: (value) => typeof value === 'string' };
const number: FieldKind = { wanted: 'a number', accepts: (value) => typeof value === 'number' };
const texts: FieldKind = { wanted: 'an array of strings', accepts: (value) => isArrayOf(value, text.accepts) };
const ids: FieldKind = { wanted: 'an array of whole numbers', accepts: (value) => isArrayOf(value, Number.isInteger) };

/** Fields that become the option of the same name. What values of the right type are in range is the engine's matter. */
const optionKinds = {
  maxTokens: number,
  temperature: number,
  topK: number,
  topP: number,
  seed: number,
  stop: texts,
  ignoreEos: { wanted: 'true or false', accepts: (value) => typeof value === 'boolean' },
  salt: text,
  priority: number,
  cache: text,
  session: text,
  tags: texts,
  context: texts,
  ttlMs: number,
  slidingTtlMs: number,
  cachePriority: text,
  breakpoints: { wanted: 'an array of {"tokens"} or {"message"}', accepts: (value) => isArrayOf(value, isRecord) },
  pin: { wanted: 'true or false', accepts: (value) => typeof value === 'boolean' },
  truncation: {
    wanted: 'the name of a policy, or an object of options',
    accepts: (value) => typeof value === 'string' || isRecord(value),
  },
} satisfies { [Name in keyof RequestOptions]?: FieldKind };

const inputKinds = {
  ids,
  prompt: text,
  messages: {
    wanted: 'an array of {"role", "content"} with strings',
    accepts: (value) => isArrayOf(value, isMessage),
  },
} satisfies Record<string, FieldKind>;

const fieldKinds: Readonly<Record<string, FieldKind>> = {
  id: { wanted: 'a string or a number', accepts: (value) => typeof value === 'string' || typeof value === 'number' },
  ...inputKinds,
  ...optionKinds,
};

/** Reads one line. Never throws: what is wrong with it is an expected answer. Pure. */
export function parseRequestLine(line: string): RequestLine {
  const parsed = parseJsonLine(line);
  if (!parsed.ok) return { ...parsed, id: null };
  const { fields } = parsed;
  const id = typeof fields.id === 'string' || typeof fields.id === 'number' ? fields.id : null;
  const reason = fieldProblem(fields) ?? inputProblem(fields);
  if (reason !== undefined) return { ok: false, id, reason };
  if (id === null) return { ok: false, id, reason: 'it has no "id"; give each line its own' };
  const { id: _, ...request } = fields;
  // The kinds of all fields were checked above, against the same names.
  return { ok: true, id, request: request as unknown as GenerateRequest | ChatRequest };
}

function fieldProblem(fields: Readonly<Record<string, unknown>>): string | undefined {
  for (const [name, value] of Object.entries(fields)) {
    const kind = Object.hasOwn(fieldKinds, name) ? fieldKinds[name] : undefined;
    if (kind === undefined) {
      return `the field ${JSON.stringify(name)} is unknown; known ones are ${Object.keys(fieldKinds).join(', ')}`;
    }
    if (!kind.accepts(value)) return `the field ${JSON.stringify(name)} has another type; give ${kind.wanted}`;
  }
  return undefined;
}

function inputProblem(fields: Readonly<Record<string, unknown>>): string | undefined {
  const names = Object.keys(inputKinds);
  const given = names.filter((name) => Object.hasOwn(fields, name));
  return given.length === 1 ? undefined : `it has ${given.length} of ${names.join(', ')}; give exactly one`;
}

function isArrayOf(value: unknown, accepts: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(accepts);
}

function isMessage(value: unknown): value is Message {
  return isRecord(value) && typeof value.role === 'string' && typeof value.content === 'string';
}
