/** Reading JSON whose form is not known yet. */
import { readFile } from 'node:fs/promises';
import { messageOf, TextError } from './errors.ts';

/** The text of a file, or undefined when there is none. Throws TOKENIZER_UNREADABLE for a file that is there and cannot be read. */
export async function readTextFile(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new TextError(
      'TOKENIZER_UNREADABLE',
      `${file} cannot be read (${messageOf(thrown)}); check its kind and its permissions.`,
      {
        file,
        cause: thrown,
      },
    );
  }
}

/** The JSON object in a file, or undefined when there is no file. Throws TOKENIZER_UNREADABLE, TOKENIZER_INVALID. */
export async function readJsonObject(file: string): Promise<Record<string, unknown> | undefined> {
  const text = await readTextFile(file);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new TextError('TOKENIZER_INVALID', `${file} is not JSON (${messageOf(thrown)}); download it again.`, {
      file,
      cause: thrown,
    });
  }
  return fieldsOf(value, file, 'the file');
}

/** A value as an object. Pure. Throws TOKENIZER_INVALID for anything else. */
export function fieldsOf(value: unknown, file: string, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new TextError('TOKENIZER_INVALID', `${file}: ${what} must be a JSON object, not ${describe(value)}.`, { file });
}

function describe(value: unknown): string {
  if (value === null || Array.isArray(value)) return value === null ? 'null' : 'a list';
  return value === undefined ? 'missing' : `a ${typeof value}`;
}
