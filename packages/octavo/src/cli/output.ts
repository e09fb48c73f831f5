/** What commands print: results on standard output, everything said to a person about them on standard error. */
import picocolors from 'picocolors';

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

/** Columns as wide as their widest cell, two spaces between; the first one is aligned to the left, the others to the right. Pure. */
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

/** Timings (all in milliseconds) for a line of JSON. Pure. */
export function roundTimings<Name extends string>(timings: Readonly<Record<Name, number>>): Record<Name, number> {
  const rounded = Object.entries<number>(timings).map(([name, milliseconds]) => [name, roundMs(milliseconds)]);
  return Object.fromEntries(rounded) as Record<Name, number>;
}

const BYTE_STEPS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** A number of bytes with three digits and a decimal unit, such as `1.25 GB`. Pure. */
export function formatBytes(bytes: number): string {
  let value = Math.round(bytes);
  let step = 0;
  while (value >= 999.5 && step < BYTE_STEPS.length - 1) {
    value /= 1000;
    step++;
  }
  return `${step === 0 ? value : Number(value.toPrecision(3))} ${BYTE_STEPS[step]}`;
}

/** A whole number with separators of thousands. Pure. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}
