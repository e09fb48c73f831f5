/** Files that a command reads and writes a line at a time. */
import { createReadStream, createWriteStream, realpathSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
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

/** Where lines come from, and what ends a read that waits for more of them. */
export interface LineInput {
  /** Read when the path is `-`. */
  readonly stdin: Readable;
  readonly signal: AbortSignal;
}

/**
 * The lines of a file, read as they are asked for; `-` is the standard input, and a pipe will do. Throws MISSING_FILE or
 * UNREADABLE_FILE at once when the file cannot be opened.
 */
export async function openLines(path: string, { stdin, signal }: LineInput): Promise<LineSource> {
  const stream = addAbortSignal(signal, path === '-' ? stdin : await openFile(path));
  stream.setEncoding('utf8');
  return {
    [Symbol.asyncIterator]: () => splitLines(stream),
    close: () => {
      stream.destroy();
    },
  };
}

async function openFile(path: string): Promise<Readable> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw fileError(error, path, 'read');
  });
  if ((await file.stat()).isDirectory()) {
    await file.close();
    throw fileError('a folder', path, 'read');
  }
  return createReadStream(path, { fd: file });
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
