/** Files that a command reads and writes a line at a time. */
import { createReadStream, createWriteStream, realpathSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { fileError } from './errors.ts';

/** A file of JSON lines. */
export interface LineFile {
  /** Appends one value as one line; resolves when it was handed to the system. Throws UNWRITABLE_FILE. */
  append(value: unknown): Promise<void>;
  close(): Promise<void>;
}

/** Effect: makes the file, or empties it. Throws UNWRITABLE_FILE. */
export async function openLineFile(path: string): Promise<LineFile> {
  const file = await open(path, 'w').catch((error: unknown) => {
    throw fileError(error, path, 'write');
  });
  const stream = createWriteStream(path, { fd: file });
  // Every failed write also reports through its own callback.
  stream.on('error', () => {});
  return {
    append: (value) =>
      new Promise((resolve, reject) => {
        stream.write(`${JSON.stringify(value)}\n`, (error) => {
          if (error) reject(fileError(error, path, 'write'));
          else resolve();
        });
      }),
    close: () => new Promise((resolve) => stream.close(() => resolve())),
  };
}

/** Lines of a file that stays open until they are all read, or until `close`. */
export interface LineSource extends AsyncIterable<string> {
  close(): void;
}

/**
 * The lines of a file, read as they are asked for; a pipe will do. Throws MISSING_FILE or UNREADABLE_FILE at once when it cannot be
 * opened. An aborted signal ends a read that waits for data.
 */
export async function openLines(path: string, signal: AbortSignal): Promise<LineSource> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw fileError(error, path, 'read');
  });
  if ((await file.stat()).isDirectory()) {
    await file.close();
    throw fileError('a folder', path, 'read');
  }
  const stream = createReadStream(path, { fd: file, encoding: 'utf8', signal });
  return {
    [Symbol.asyncIterator]: () => splitLines(stream),
    close: () => {
      stream.destroy();
    },
  };
}

/** Lines without their ends; a byte order mark is skipped. */
async function* splitLines(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  let isFirst = true;
  for await (const chunk of chunks) {
    const parts = (isFirst ? chunk.replace(/^\uFEFF/, '') : chunk).split('\n');
    isFirst = false;
    parts[0] = rest + parts[0];
    rest = parts.pop() ?? '';
    yield* parts;
  }
  if (rest !== '') yield rest;
}

/** True when both paths name one existing file. */
export function isSameFile(left: string, right: string): boolean {
  try {
    return realpathSync(left) === realpathSync(right);
  } catch {
    return false;
  }
}
