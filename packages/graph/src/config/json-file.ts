import { open } from 'node:fs/promises';
import { GraphError, type GraphErrorCode } from '../errors.ts';

/** Configuration files are small; an index of a very large model has some megabytes. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;

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
  return parsed as Record<string, unknown>;
}

async function readText(file: string, malformedCode: GraphErrorCode): Promise<string> {
  const reader = await open(file, 'r');
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
