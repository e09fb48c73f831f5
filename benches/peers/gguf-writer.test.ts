import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeRandomLlama } from '../models/random-llama.ts';
import { writeGguf } from './gguf-writer.ts';

const shape = { hidden: 32, layers: 1, heads: 2, kvHeads: 1, intermediate: 64, vocabulary: 300, contextTokens: 64 };

describe('writeGguf', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'octavo-gguf-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it.each([
    ['Q4_0', 2, 18],
    ['Q8_0', 8, 34],
  ] as const)('writes all tensors in %s, aligned, and nothing behind them', async (format, type, blockBytes) => {
    await makeRandomLlama(folder, shape, 1);
    const file = join(folder, 'model.gguf');
    await writeGguf(folder, file, format);
    const { tensors, dataAt, bytes } = readHeader(file);
    expect(tensors).toHaveLength(11);
    const find = (name: string) => tensors.find((tensor) => tensor.name === name);
    expect(find('token_embd.weight')).toMatchObject({ dims: [32, 300], type, offset: 0 });
    expect(find('blk.0.attn_k.weight')).toMatchObject({ dims: [32, 16], type });
    expect(find('output_norm.weight')).toMatchObject({ dims: [32], type: 0 });
    expect(tensors[1]?.offset).toBe(Math.ceil((300 * blockBytes) / 32) * 32);
    for (const { offset } of tensors) expect(offset % 32).toBe(0);
    const last = tensors.at(-1);
    expect(bytes).toBe(dataAt + (last?.offset ?? 0) + 32 * 4);
  });
});

/** Walks the header as a reader would: only what this file uses of the format. */
function readHeader(file: string) {
  const bytes = readFileSync(file);
  let at = 0;
  const uint32 = () => {
    at += 4;
    return bytes.readUInt32LE(at - 4);
  };
  const uint64 = () => {
    at += 8;
    return Number(bytes.readBigUInt64LE(at - 8));
  };
  const text = () => {
    const length = uint64();
    at += length;
    return bytes.toString('utf8', at - length, at);
  };
  const skip = (type: number): void => {
    if (type === 8) text();
    else if (type === 9) {
      const inner = uint32();
      const count = uint64();
      for (let index = 0; index < count; index++) skip(inner);
    } else at += 4;
  };
  expect(bytes.toString('latin1', 0, 4)).toBe('GGUF');
  at = 4;
  expect(uint32()).toBe(3);
  const tensorCount = uint64();
  const entryCount = uint64();
  for (let entry = 0; entry < entryCount; entry++) {
    text();
    skip(uint32());
  }
  const tensors = Array.from({ length: tensorCount }, () => {
    const name = text();
    const dims = Array.from({ length: uint32() }, uint64);
    return { name, dims, type: uint32(), offset: uint64() };
  });
  return { tensors, dataAt: Math.ceil(at / 32) * 32, bytes: bytes.length };
}
