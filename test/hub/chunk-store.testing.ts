/** A store of chunks as the hub's library reads it: which chunks make up a range, and their bytes with a header before each. */
const CHUNK_BYTES = 64 * 1024;
const HEADER_BYTES = 8;

/** Version, stored length (3 bytes), scheme 0 (as it is), length (3 bytes); little endian. */
function chunkWithHeader(chunk: Buffer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntLE(chunk.length, 1, 3);
  header.writeUIntLE(chunk.length, 5, 3);
  return Buffer.concat([header, chunk]);
}

/** All chunks of a file, as they are stored one behind the other. */
export function storedChunks(bytes: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    chunks.push(chunkWithHeader(bytes.subarray(at, at + CHUNK_BYTES)));
  }
  return Buffer.concat(chunks);
}

/** Answer to "which chunks make up bytes [first, last]"; `url` is where the stored chunks are. */
export function reconstruction(bytes: Buffer, range: { first: number; last: number }, url: string): object {
  const start = Math.floor(range.first / CHUNK_BYTES);
  const end = Math.floor(range.last / CHUNK_BYTES) + 1;
  const length = Math.min(end * CHUNK_BYTES, bytes.length) - start * CHUNK_BYTES;
  const stride = CHUNK_BYTES + HEADER_BYTES;
  const stored = { start: start * stride, end: start * stride + length + (end - start) * HEADER_BYTES - 1 };
  const hash = 'f'.repeat(64);
  return {
    offset_into_first_range: range.first - start * CHUNK_BYTES,
    terms: [{ hash, unpacked_length: length, range: { start, end } }],
    xorbs: { [hash]: [{ url, ranges: [{ chunks: { start, end }, bytes: stored }] }] },
  };
}
