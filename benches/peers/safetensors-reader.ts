/** Reads float32 tensors of a bench model's safetensors file, one at a time. */
import { type FileHandle, open } from 'node:fs/promises';

interface Entry {
  readonly dtype: string;
  readonly data_offsets: readonly [number, number];
}

export class SafetensorsReader {
  readonly #file: FileHandle;
  readonly #entries: Readonly<Record<string, Entry>>;
  readonly #begin: number;

  private constructor(file: FileHandle, entries: Readonly<Record<string, Entry>>, begin: number) {
    this.#file = file;
    this.#entries = entries;
    this.#begin = begin;
  }

  static async open(path: string): Promise<SafetensorsReader> {
    const file = await open(path);
    const prefix = Buffer.alloc(8);
    await file.read(prefix, 0, 8, 0);
    const header = Buffer.alloc(Number(prefix.readBigUInt64LE()));
    await file.read(header, 0, header.length, 8);
    return new SafetensorsReader(file, JSON.parse(header.toString('utf8')) as Record<string, Entry>, 8 + header.length);
  }

  /** Row-major elements. Throws when the tensor is not there, or not float32. */
  async read(name: string): Promise<Float32Array> {
    const entry = this.#entries[name];
    if (entry?.dtype !== 'F32') throw new Error(`${name} is ${entry?.dtype ?? 'missing'}, not F32`);
    const [from, to] = entry.data_offsets;
    const bytes = new Uint8Array(to - from);
    let done = 0;
    // One read gives at most 2 GiB.
    while (done < bytes.length) {
      const { bytesRead } = await this.#file.read(bytes, done, bytes.length - done, this.#begin + from + done);
      if (bytesRead === 0) throw new Error(`${name} is cut off`);
      done += bytesRead;
    }
    return new Float32Array(bytes.buffer);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
