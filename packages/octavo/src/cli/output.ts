/** What commands print: results on standard output, everything said to a person about them on standard error. */
import { createWriteStream, realpathSync } from 'node:fs';
import { open } from 'node:fs/promises';
import picocolors from 'picocolors';
import { fileError } from './errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
export type OutputStream = NodeJS.WritableStream & { readonly isTTY?: boolean };
type Colors = ReturnType<typeof picocolors.createColors>;

export interface Output {
  readonly colors: Colors;
  /** Writes text to standard output as it is. */
  write(text: string): void;
  /** Writes a line to standard output. */
  line(text: string): void;
  /** Writes one value as one line of JSON to standard output. */
  json(value: unknown): void;
  /** Writes a dim line to standard error. */
  note(text: string): void;
}

/** Colours only on a terminal, and never with NO_COLOR (https://no-color.org) or TERM=dumb. */
export function createOutput(stdout: OutputStream, stderr: OutputStream, env: Environment): Output {
  const notes = picocolors.createColors(wantsColor(stderr, env));
  const write = (text: string): void => {
    stdout.write(text);
  };
  return {
    colors: picocolors.createColors(wantsColor(stdout, env)),
    write,
    line: (text) => write(`${text}\n`),
    json: (value) => write(`${JSON.stringify(value)}\n`),
    note(text) {
      stderr.write(`${notes.dim(text)}\n`);
    },
  };
}

function wantsColor(stream: OutputStream, env: Environment): boolean {
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
}

/** A file of JSON lines. */
export interface LineFile {
  /** Appends one value as one line; resolves when it was handed to the system. Throws UNWRITABLE_FILE. */
  append(value: unknown): Promise<void>;
  close(): Promise<void>;
}

/** Effect: makes the file, or empties it. Throws UNWRITABLE_FILE. */
export async function openLineFile(path: string): Promise<LineFile> {
  const stream = await open(path, 'w').then(
    (file) => createWriteStream(path, { fd: file }),
    (error: unknown) => {
      throw fileError(error, path, 'write');
    },
  );
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

/** True when both paths name one existing file. */
export function isSameFile(left: string, right: string): boolean {
  try {
    return realpathSync(left) === realpathSync(right);
  } catch {
    return false;
  }
}

/** Columns padded to their widest cell, the first one to the right, the others to the left; two spaces between. Pure. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

/** Milliseconds to the microsecond: finer digits are noise in a line that people read too. Pure. */
export function roundMs(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

/** A whole number with separators of thousands. Pure. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}
