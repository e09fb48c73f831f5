import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Tokens of a completion when neither the request nor the model says. */
export const DEFAULT_MAX_TOKENS = 256;

/**
 * What generation_config.json says of the number of tokens of a completion, given that of its prompt: `max_new_tokens`, else what
 * `max_length` (prompt included) leaves, else 256. A missing file says nothing; a malformed one was reported by the compiler.
 */
export async function readDefaultMaxTokens(folder: string): Promise<(promptTokens: number) => number> {
  const fields = await readFields(join(folder, 'generation_config.json'));
  const completion = tokens(fields.max_new_tokens);
  if (completion !== undefined) return () => completion;
  const inAll = tokens(fields.max_length);
  if (inAll !== undefined) return (promptTokens) => Math.max(1, inAll - promptTokens);
  return () => DEFAULT_MAX_TOKENS;
}

async function readFields(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const fields: unknown = JSON.parse(await readFile(file, 'utf8'));
    return typeof fields === 'object' && fields !== null ? { ...fields } : {};
  } catch {
    return {};
  }
}

function tokens(field: unknown): number | undefined {
  return Number.isSafeInteger(field) && (field as number) > 0 ? (field as number) : undefined;
}
