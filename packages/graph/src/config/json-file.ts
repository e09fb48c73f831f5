import { open } from 'node:fs/promises';
import { GraphError, type GraphErrorCode } from '../errors.ts';

/** Configuration files are small; an index of a very large model has some megabytes. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;
/** Far deeper than any; what is deeper would exhaust the stack of whoever walks through it. */
const MAX_JSON_DEPTH = 64;

/** Reads a file that must hold one JSON object. Throws `malformedCode` with the file's name when it does not. */
export async function readJsonObject(file: string, malformedCode: GraphErrorCode): Promise<Record<string, unknown>> {
  const text = await readText(file, malformedCode);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new GraphError(malformedCode, `${file} is not JSON: repair it or fetch it again`, { file, cause });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new GraphError(malformedCode, `${file} holds no JSON object: repair it or fetch it again`, { file });
  }
  if (!isWithin(parsed, MAX_JSON_DEPTH)) {
    const message = `${file} is nested deeper than ${MAX_JSON_DEPTH} levels: repair it or fetch it again`;
    throw new GraphError(malformedCode, message, { file });
  }
  return parsed as Record<string, unknown>;
}

function isWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((item) => isWithin(item, levels - 1));
}

async function readText(file: string, malformedCode: GraphErrorCode): Promise<string> {
  const reader = await open(file, 'r').catch((cause: unknown) => {
    if (isNotFound(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new GraphError(malformedCode, `${file} cannot be opened (${reason}): make it readable, or fetch it again`, {
      file,
      cause,
    });
  });
  try {
    const stat = await reader.stat();
    if (!stat.isFile() || stat.size > MAX_JSON_BYTES) {
      const message = `${file} is not a file of at most ${MAX_JSON_BYTES} bytes: give a model folder with a configuration in JSON`;
      throw new GraphError(malformedCode, message, { file });
    }
    return await reader.readFile('utf8');
  } finally {
    await reader.close();
  }
}

/** Whether opening a file failed because it is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
