/** Safetensors files and their index, damaged at byte level: a typed error or a correct load, never more memory than the file is large. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomFloats } from '../compare.testing.ts';
import { damaged, largestAllocation } from '../damage.testing.ts';
import { GraphError } from '../errors.ts';
import { safetensorsOf, type TestTensor } from '../model-folder.testing.ts';
import { readTensors } from './read-tensors.testing.ts';
import { readSafetensorsHeader } from './safetensors-header.ts';

/** Of 10,000 damaged files in all, with those of weight-files.test.ts and of config/: raise it for a long search. */
const SCALE = Number(process.env.OCTAVO_PROPERTY_RUNS ?? 1_000) / 1_000;
const HEADER_RUNS = 4_500 * SCALE;
const INDEX_RUNS = 1_500 * SCALE;

const tensors: readonly TestTensor[] = [
  { name: 'a', shape: [3, 4], floats: randomFloats(12, 1) },
  { name: 'b', shape: [5], floats: randomFloats(5, 2) },
  { name: 'c', shape: [2, 2, 2], floats: randomFloats(8, 3) },
];
const sound = safetensorsOf(tensors, 'F32');

/** A file in memory, which counts what is asked of it. */
class MemoryFile {
  readonly #bytes: Uint8Array;
  asked = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  async stat(): Promise<{ size: number }> {
    return { size: this.#bytes.length };
  }

  async read(into: Uint8Array, at: number, length: number, position: number): Promise<{ bytesRead: number }> {
    this.asked += length;
    const part = this.#bytes.subarray(position, position + length);
    into.set(part, at);
    return { bytesRead: part.length };
  }
}

function expectTyped(error: unknown): GraphError {
  expect(error).toBeInstanceOf(GraphError);
  const { code, message, file } = error as GraphError;
  expect(code).toMatch(/^(SAFETENSORS|TENSOR|WEIGHTS)_/);
  expect(file).toBeTypeOf('string');
  // File, and what to do about it.
  expect(message).toContain(file);
  expect(message).toMatch(/[:,] (fetch|convert|take|give|let) /);
  return error as GraphError;
}

describe('the header of a safetensors file', () => {
  it(`damaged ${HEADER_RUNS} times is refused by name, or lists tensors that lie in the file`, async () => {
    const outcomes = { listed: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(damaged(sound), async (bytes) => {
        const file = new MemoryFile(bytes);
        const largest = await largestAllocation(async () => {
          try {
            const header = await readSafetensorsHeader(file as unknown as FileHandle, 'model.safetensors');
            for (const { offset, bytes: length, dtype, shape } of header.tensors) {
              expect(offset + length).toBeLessThanOrEqual(bytes.length);
              if (dtype === 'F32') expect(shape.reduce((product, dim) => product * dim, 4)).toBe(length);
            }
            outcomes.listed += 1;
          } catch (error) {
            expectTyped(error);
            outcomes.refused += 1;
          }
        });
        expect(largest).toBeLessThanOrEqual(Math.max(8, bytes.length));
        expect(file.asked).toBeLessThanOrEqual(8 + bytes.length);
      }),
      { numRuns: HEADER_RUNS },
    );
    expect(outcomes.listed).toBeGreaterThan(HEADER_RUNS / 100);
    expect(outcomes.refused).toBeGreaterThan(HEADER_RUNS / 4);
  });
});

describe('the index of shards', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'octavo-index-'));
    writeFileSync(join(folder, 'one.safetensors'), safetensorsOf(tensors.slice(0, 2), 'F32'));
    writeFileSync(join(folder, 'two.safetensors'), safetensorsOf(tensors.slice(2), 'F32'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const map = { a: 'one.safetensors', b: 'one.safetensors', c: 'two.safetensors' };
  const index = Buffer.from(JSON.stringify({ metadata: { total_size: 100 }, weight_map: map }));

  const readAll = () => readTensors(folder, tensors);

  it(`damaged ${INDEX_RUNS} times is refused by name, or leads to the same tensors`, async () => {
    const expected = tensors.map(({ floats }) => [...floats]);
    const outcomes = { loaded: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(damaged(index), async (bytes) => {
        writeFileSync(join(folder, 'model.safetensors.index.json'), bytes);
        const largest = await largestAllocation(async () => {
          try {
            expect(await readAll()).toEqual(expected);
            outcomes.loaded += 1;
          } catch (error) {
            if (!(error instanceof GraphError)) throw error;
            expect(error.code).toMatch(/^(WEIGHTS_INDEX_MALFORMED|WEIGHTS_MISSING|TENSOR_MISSING)$/);
            outcomes.refused += 1;
          }
        });
        // The shards are whole: their headers are the largest that there is to read.
        expect(largest).toBeLessThan(1024);
      }),
      { numRuns: INDEX_RUNS },
    );
    expect(outcomes.loaded).toBeGreaterThan(INDEX_RUNS / 100);
    expect(outcomes.refused).toBeGreaterThan(INDEX_RUNS / 4);
  });

  const outside = [
    '../x.safetensors',
    '/etc/x.safetensors',
    'a/b.safetensors',
    '..\\x.safetensors',
    'C:\\x.safetensors',
  ];
  it.each([...outside, '', '.', '..', 'config.json', 'x.safetensors/..', 'x\u0000.safetensors', 'gone.safetensors'])(
    'that puts a tensor into %j is refused by the name of the index or of the file',
    async (name) => {
      writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { ...map, b: name } }));
      const code = outside.includes(name) ? 'WEIGHTS_INDEX_MALFORMED' : expect.stringMatching(/^WEIGHTS_/);
      await expect(readAll()).rejects.toMatchObject({ name: 'GraphError', code, file: expect.any(String) });
    },
  );
});
