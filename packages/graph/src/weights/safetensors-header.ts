/**
 * The header of a safetensors file: 8 bytes little-endian length, then JSON {name: {dtype, shape, data_offsets: [begin, end)}}, then
 * the tensors' bytes (format: the README of huggingface/safetensors). Everything in it is checked against the file's bytes before
 * anything is read, so that no allocation can be larger than the file justifies.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { GraphError } from '../errors.ts';
import { readExactly } from './exact-bytes.ts';

export interface StoredTensor {
  readonly name: string;
  /** As written in the header, e.g. 'F32', 'BF16'. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Of the first byte, from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  readonly tensors: readonly StoredTensor[];
  /** sha256 of the header's bytes, hexadecimal. */
  readonly digest: string;
}

/** The reference implementation refuses longer headers too. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;
const METADATA_KEY = '__metadata__';

/** Bytes of one element; types that are not here are carried but cannot be checked or used. */
const dtypeBytes: ReadonlyMap<string, number> = new Map([
  ['BOOL', 1],
  ['U8', 1],
  ['I8', 1],
  ['F8_E5M2', 1],
  ['F8_E4M3', 1],
  ['I16', 2],
  ['U16', 2],
  ['F16', 2],
  ['BF16', 2],
  ['I32', 4],
  ['U32', 4],
  ['F32', 4],
  ['F64', 8],
  ['I64', 8],
  ['U64', 8],
]);

/** Reads and checks the header. Throws SAFETENSORS_TRUNCATED or SAFETENSORS_MALFORMED with the file (and tensor) in the message. */
export async function readSafetensorsHeader(reader: FileHandle, file: string): Promise<SafetensorsHeader> {
  const fileBytes = (await reader.stat()).size;
  const headerBytes = await readHeaderBytes(reader, { file, fileBytes });
  const firstByte = LENGTH_BYTES + headerBytes.length;
  const tensors: StoredTensor[] = [];
  for (const [name, entry] of Object.entries(parseHeader(headerBytes, file))) {
    if (name === METADATA_KEY) continue;
    tensors.push(checkEntry({ name, entry, file, firstByte, fileBytes }));
  }
  checkOverlap(tensors, file);
  return { tensors, digest: createHash('sha256').update(headerBytes).digest('hex') };
}

async function readHeaderBytes(reader: FileHandle, place: { file: string; fileBytes: number }): Promise<Uint8Array> {
  const { file, fileBytes } = place;
  const truncated = (needed: bigint | number) =>
    new GraphError(
      'SAFETENSORS_TRUNCATED',
      `${file} has ${fileBytes} bytes where its header alone needs ${needed}: the file is truncated, fetch it again`,
      { file },
    );
  if (fileBytes < LENGTH_BYTES) throw truncated(LENGTH_BYTES);
  const prefix = new Uint8Array(LENGTH_BYTES);
  await readExactly(reader, prefix, { file, offset: 0 });
  const announced = new DataView(prefix.buffer).getBigUint64(0, true);
  if (announced > BigInt(MAX_HEADER_BYTES)) {
    throw malformed(file, `announces a header of ${announced} bytes (at most ${MAX_HEADER_BYTES} are accepted)`);
  }
  if (announced + BigInt(LENGTH_BYTES) > BigInt(fileBytes)) throw truncated(announced + BigInt(LENGTH_BYTES));
  const header = new Uint8Array(Number(announced));
  await readExactly(reader, header, { file, offset: LENGTH_BYTES });
  return header;
}

function parseHeader(bytes: Uint8Array, file: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw malformed(file, 'has a header that is not JSON', { cause });
  }
  if (!isRecord(parsed)) throw malformed(file, 'has a header that is not a JSON object');
  return parsed;
}

interface EntryPlace {
  readonly name: string;
  readonly entry: unknown;
  readonly file: string;
  /** Where the tensors' bytes begin. */
  readonly firstByte: number;
  readonly fileBytes: number;
}

function checkEntry({ name, entry, file, firstByte, fileBytes }: EntryPlace): StoredTensor {
  const fault = (what: string) => malformed(file, `says of tensor ${JSON.stringify(name)} ${what}`, { tensor: name });
  if (!isRecord(entry)) throw fault('something that is not an object');
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string') throw fault('no dtype');
  if (!isCounts(shape)) throw fault('a shape that is not a list of counts');
  if (!isCounts(offsets) || offsets.length !== 2) throw fault('data_offsets that are not two counts');
  const [begin, end] = offsets as [number, number];
  if (begin > end) throw fault(`that it ends (${end}) before it begins (${begin})`);
  if (firstByte + end > fileBytes) {
    const message = `${file} has ${fileBytes} bytes but its tensor ${JSON.stringify(name)} ends at byte ${firstByte + end}: the file is truncated or its header lies, fetch it again`;
    throw new GraphError('SAFETENSORS_TRUNCATED', message, { file, tensor: name });
  }
  const width = dtypeBytes.get(dtype);
  // Multiplied as bigint: a lying shape may exceed what a double counts exactly.
  const needed = width === undefined ? undefined : shape.reduce((product, dim) => product * BigInt(dim), BigInt(width));
  if (needed !== undefined && needed !== BigInt(end - begin)) {
    throw fault(`that ${dtype} ${JSON.stringify(shape)} takes ${end - begin} bytes where it takes ${needed}`);
  }
  return { name, dtype, shape, offset: firstByte + begin, bytes: end - begin };
}

function checkOverlap(tensors: readonly StoredTensor[], file: string): void {
  const ordered = [...tensors].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let previous: StoredTensor | undefined;
  for (const tensor of ordered) {
    if (tensor.bytes === 0) continue;
    if (previous !== undefined && tensor.offset < previous.offset + previous.bytes) {
      const names = `${JSON.stringify(previous.name)} and ${JSON.stringify(tensor.name)}`;
      throw malformed(file, `lets the tensors ${names} overlap`, { tensor: tensor.name });
    }
    previous = tensor;
  }
}

function malformed(file: string, what: string, details: { tensor?: string; cause?: unknown } = {}): GraphError {
  return new GraphError('SAFETENSORS_MALFORMED', `${file} ${what}: fetch the file again or write it anew`, {
    file,
    ...details,
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
