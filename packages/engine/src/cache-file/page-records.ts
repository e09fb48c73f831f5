/**
 * The records of pages as a cache file has them, while they become more: in chunks, so that nothing is moved.
 *
 *     parent + 1, salt, token count, claim count, 16 bytes of checksum, [pageSize] tokens (rest 0)      32 bits each, little endian
 */
export const CHECKSUM_BYTES = 16;
export const RECORD_HEAD_BYTES = 16 + CHECKSUM_BYTES;

const RECORDS_PER_CHUNK = 1024;

export interface PageRecord {
  /** Place of the page before it; -1 for the first of a prompt. */
  readonly parent: number;
  /** [1..pageSize] */
  readonly tokens: Uint32Array;
  /** [16] of the page's bytes. */
  readonly checksum: Uint8Array;
}

export class PageRecords {
  readonly recordBytes: number;
  readonly #chunks: Buffer[] = [];
  #count = 0;

  /** Tokens a page. */
  constructor(pageSize: number) {
    this.recordBytes = RECORD_HEAD_BYTES + 4 * pageSize;
  }

  get count(): number {
    return this.#count;
  }

  /** Returns the place of the page. O(tokens). */
  append({ parent, tokens, checksum }: PageRecord): number {
    const place = this.#count;
    if (place % RECORDS_PER_CHUNK === 0) this.#chunks.push(Buffer.alloc(RECORDS_PER_CHUNK * this.recordBytes));
    this.#count += 1;
    const [chunk, at] = this.#find(place);
    chunk.writeUInt32LE(parent + 1, at);
    chunk.writeUInt32LE(tokens.length, at + 8);
    chunk.set(checksum, at + 16);
    for (let i = 0; i < tokens.length; i += 1) {
      chunk.writeUInt32LE(tokens[i] as number, at + RECORD_HEAD_BYTES + 4 * i);
    }
    return place;
  }

  parent(place: number): number {
    const [chunk, at] = this.#find(place);
    return chunk.readUInt32LE(at) - 1;
  }

  /** None: the page is not used. */
  tokenCount(place: number): number {
    const [chunk, at] = this.#find(place);
    return chunk.readUInt32LE(at + 8);
  }

  /** Are these its tokens? O(tokens). */
  hasTokens(place: number, tokens: Uint32Array): boolean {
    const [chunk, at] = this.#find(place);
    if (chunk.readUInt32LE(at + 8) !== tokens.length) return false;
    for (let i = 0; i < tokens.length; i += 1) {
      if (chunk.readUInt32LE(at + RECORD_HEAD_BYTES + 4 * i) !== tokens[i]) return false;
    }
    return true;
  }

  setSalt(place: number, salt: number): void {
    const [chunk, at] = this.#find(place);
    chunk.writeUInt32LE(salt, at + 4);
  }

  setClaimCount(place: number, count: number): void {
    const [chunk, at] = this.#find(place);
    chunk.writeUInt32LE(count, at + 12);
  }

  /** Nobody finds the page any more, and nothing is left of it but the checksum of its bytes, which are others by now. */
  blank(place: number, checksum: Uint8Array): void {
    const [chunk, at] = this.#find(place);
    chunk.fill(0, at, at + this.recordBytes);
    chunk.set(checksum, at + 16);
  }

  /** All records, in pieces. Views: they are what they are when they are read. */
  *chunks(): Generator<Uint8Array> {
    for (const [at, chunk] of this.#chunks.entries()) {
      const count = Math.min(RECORDS_PER_CHUNK, this.#count - at * RECORDS_PER_CHUNK);
      yield chunk.subarray(0, count * this.recordBytes);
    }
  }

  #find(place: number): readonly [Buffer, number] {
    return [
      this.#chunks[Math.floor(place / RECORDS_PER_CHUNK)] as Buffer,
      (place % RECORDS_PER_CHUNK) * this.recordBytes,
    ];
  }
}
