/** One line of a file of JSON objects. */

export type JsonLine =
  | { readonly ok: true; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly reason: string };

/** The fields of a line. Never throws: what is wrong with it is an expected answer. Pure. */
export function parseJsonLine(line: string): JsonLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { ok: false, reason: 'it is not JSON; write one object a line' };
  }
  if (isRecord(value)) return { ok: true, fields: value };
  return { ok: false, reason: 'it is not an object; write one object a line' };
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
