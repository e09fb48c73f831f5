/**
 * Which weights of a packed file are written, so that an interrupted packing goes on where it stopped. A line for each weight: its place among
 * the packed ones and the CRC-32 of its bytes. Lines are not trusted: what they name is read again, since a machine that lost its power
 * may have kept the line and not the bytes.
 */
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { PackedWeight } from './placement.ts';
import { weightBytes } from './placement.ts';

export const JOURNAL_FILE = 'weights.journal';

const BYTES_A_READ = 1 << 22;

export class PackJournal {
  readonly #file: FileHandle;
  /** Places of the weights that are written. */
  readonly #done: ReadonlySet<number>;

  private constructor(file: FileHandle, done: ReadonlySet<number>) {
    this.#file = file;
    this.#done = done;
  }

  /** Opens or makes the journal at `path` of the packed file `packed`. Effect: keeps the lines that hold. Cost: reads what they name. */
  static async open(path: string, packed: FileHandle, weights: readonly PackedWeight[]): Promise<PackJournal> {
    const done = new Map<number, string>();
    for (const [place, line] of await readLines(path, weights.length)) {
      const { weight, offset } = weights[place] as PackedWeight;
      const found = await checksum(packed, offset, weightBytes(weight.value));
      if (found === line.checksum) done.set(place, line.text);
    }
    const file = await open(path, 'w');
    await file.writeFile([...done.values()].join(''));
    return new PackJournal(file, new Set(done.keys()));
  }

  /** Whether all of these were written before. */
  isDone(places: readonly number[]): boolean {
    return places.every((place) => this.#done.has(place));
  }

  /** Effect: the weight at each place is written, with that CRC-32. */
  async note(written: readonly { readonly place: number; readonly checksum: number }[]): Promise<void> {
    await this.#file.writeFile(written.map(lineOf).join(''));
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

interface JournalLine {
  readonly text: string;
  readonly checksum: number;
}

/** Whole lines, by place; the last one may have been cut short. */
async function readLines(path: string, places: number): Promise<Map<number, JournalLine>> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const lines = new Map<number, JournalLine>();
  for (const [line, place, checksum] of text.matchAll(/^(\d{1,9}) ([0-9a-f]{8})\n/gm)) {
    if (Number(place) < places) lines.set(Number(place), { text: line, checksum: Number.parseInt(checksum ?? '', 16) });
  }
  return lines;
}

function lineOf({ place, checksum }: { place: number; checksum: number }): string {
  return `${place} ${checksum.toString(16).padStart(8, '0')}\n`;
}

/** CRC-32 of a range of a file; undefined when the file ends before. */
async function checksum(file: FileHandle, offset: number, bytes: number): Promise<number | undefined> {
  const buffer = new Uint8Array(Math.min(bytes, BYTES_A_READ));
  let sum = 0;
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, bytes - done), offset + done);
    if (bytesRead === 0) return undefined;
    sum = crc32(buffer.subarray(0, bytesRead), sum);
    done += bytesRead;
  }
  return sum;
}
