import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { randomFloats } from '../compare.testing.ts';
import { GraphError } from '../errors.ts';
import { safetensorsOf, safetensorsWith, type TestTensor } from '../model-folder.testing.ts';
import { readTensors } from './read-tensors.testing.ts';

/** Runs of each of the three properties below; CI default 500 (OCTAVO_PROPERTY_RUNS). */
const RUNS = Number(process.env.OCTAVO_PROPERTY_RUNS ?? 500);

const tensors: readonly TestTensor[] = [
  { name: 'a', shape: [3, 4], floats: randomFloats(12, 1) },
  { name: 'b', shape: [5], floats: randomFloats(5, 2) },
  { name: 'c', shape: [2, 2, 2], floats: randomFloats(8, 3) },
];
const bytes = safetensorsOf(tensors, 'F32');
const entry = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'octavo-weights-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const readAll = (wanted: readonly TestTensor[] = tensors) => readTensors(folder, wanted);

const expected = tensors.map(({ floats }) => [...floats]);

describe('WeightFiles', () => {
  it('reads the tensors of a single file', async () => {
    writeFileSync(join(folder, 'model.safetensors'), bytes);
    expect(await readAll()).toEqual(expected);
  });

  it('reads the same from shards', async () => {
    const [a, b, c] = tensors as [TestTensor, TestTensor, TestTensor];
    writeFileSync(join(folder, 'one.safetensors'), safetensorsOf([b, a], 'F32'));
    writeFileSync(join(folder, 'two.safetensors'), safetensorsOf([c], 'F32'));
    const weightMap = { a: 'one.safetensors', b: 'one.safetensors', c: 'two.safetensors' };
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
    expect(await readAll()).toEqual(expected);
  });

  it('follows symbolic links, as hub snapshots have them', async () => {
    mkdirSync(join(folder, 'blobs'));
    writeFileSync(join(folder, 'blobs', 'f00d'), bytes);
    symlinkSync(join('blobs', 'f00d'), join(folder, 'model.safetensors'));
    expect(await readAll()).toEqual(expected);
  });

  it('takes a tensor whose elements lie on odd bytes', async () => {
    const body = Buffer.concat([Buffer.from([1]), new Uint8Array(tensors[1]?.floats.buffer as ArrayBuffer)]);
    const header = { x: { dtype: 'U8', shape: [1], data_offsets: [0, 1] }, b: entry(1, 21) };
    writeFileSync(join(folder, 'model.safetensors'), safetensorsWith(header, body));
    expect(await readAll(tensors.slice(1, 2))).toEqual(expected.slice(1, 2));
  });

  it('carries tensors of types that it does not know', async () => {
    const header = { strange: { dtype: 'F4', shape: [3], data_offsets: [0, 2] }, b: entry(2, 22) };
    const body = Buffer.concat([Buffer.alloc(2), new Uint8Array(tensors[1]?.floats.buffer as ArrayBuffer)]);
    writeFileSync(join(folder, 'model.safetensors'), safetensorsWith(header, body));
    expect(await readAll(tensors.slice(1, 2))).toEqual(expected.slice(1, 2));
    await expect(readAll([{ name: 'strange', shape: [3], floats: new Float32Array(3) }])).rejects.toMatchObject({
      code: 'TENSOR_DTYPE',
      tensor: 'strange',
      message: expect.stringMatching(/strange in model\.safetensors is F4: convert/),
    });
  });

  const body = Buffer.alloc(64);
  const broken: readonly (readonly [string, Buffer, string, RegExp])[] = [
    ['is empty', Buffer.alloc(0), 'SAFETENSORS_TRUNCATED', /0 bytes where its header alone needs 8/],
    ['ends in its length', Buffer.alloc(5), 'SAFETENSORS_TRUNCATED', /5 bytes/],
    ['ends in its header', bytes.subarray(0, 40), 'SAFETENSORS_TRUNCATED', /40 bytes/],
    ['ends in its tensors', bytes.subarray(0, bytes.length - 1), 'SAFETENSORS_TRUNCATED', /ends at byte/],
    ['announces a header beyond its end', safetensorsWith({}, body, 5000n), 'SAFETENSORS_TRUNCATED', /needs 5008/],
    [
      'announces an absurd header',
      safetensorsWith({}, body, 1n << 62n),
      'SAFETENSORS_MALFORMED',
      /4611686018427387904 bytes/,
    ],
    [
      'has a header that is not JSON',
      safetensorsWith({ a: entry(0, 8) }, body, 5n),
      'SAFETENSORS_MALFORMED',
      /not JSON/,
    ],
    ['has a header that is a list', safetensorsWith([], body), 'SAFETENSORS_MALFORMED', /not a JSON object/],
    [
      'has an entry that is null',
      safetensorsWith({ a: null }, body),
      'SAFETENSORS_MALFORMED',
      /"a" something that is not/,
    ],
    [
      'has no dtype',
      safetensorsWith({ a: { shape: [1], data_offsets: [0, 4] } }, body),
      'SAFETENSORS_MALFORMED',
      /no dtype/,
    ],
    ['has a negative dimension', safetensorsWith({ a: entry(0, 8, [-2]) }, body), 'SAFETENSORS_MALFORMED', /shape/],
    [
      'has a fractional offset',
      safetensorsWith({ a: entry(0.5, 8, [2]) }, body),
      'SAFETENSORS_MALFORMED',
      /data_offsets/,
    ],
    [
      'ends before it begins',
      safetensorsWith({ a: entry(8, 4, [1]) }, body),
      'SAFETENSORS_MALFORMED',
      /before it begins/,
    ],
    ['points outside', safetensorsWith({ a: entry(0, 400) }, body), 'SAFETENSORS_TRUNCATED', /"a" ends at byte/],
    [
      'claims more elements than bytes',
      safetensorsWith({ a: entry(0, 8, [3]) }, body),
      'SAFETENSORS_MALFORMED',
      /takes 8 bytes where it takes 12/,
    ],
    [
      'claims a shape that overflows',
      safetensorsWith({ a: entry(0, 0, [2 ** 52, 2 ** 52]) }, body),
      'SAFETENSORS_MALFORMED',
      /takes 0 bytes/,
    ],
    [
      'lets tensors overlap',
      safetensorsWith({ a: entry(0, 16), b: entry(12, 20) }, body),
      'SAFETENSORS_MALFORMED',
      /"a" and "b" overlap/,
    ],
  ];
  it.each(broken)('refuses a file that %s', async (_, content, code, message) => {
    writeFileSync(join(folder, 'model.safetensors'), content);
    await expect(readAll()).rejects.toMatchObject({
      name: 'GraphError',
      code,
      file: 'model.safetensors',
      message: expect.stringMatching(message),
    });
  });

  const indexes: readonly (readonly [string, string, string])[] = [
    ['is not JSON', '{', 'WEIGHTS_INDEX_MALFORMED'],
    ['is a list', '[]', 'WEIGHTS_INDEX_MALFORMED'],
    ['has no weight_map', '{}', 'WEIGHTS_INDEX_MALFORMED'],
    ['has an empty weight_map', '{"weight_map":{}}', 'WEIGHTS_INDEX_MALFORMED'],
    ['leads out of the folder', '{"weight_map":{"a":"../model.safetensors"}}', 'WEIGHTS_INDEX_MALFORMED'],
    ['names something that is no text', '{"weight_map":{"a":1}}', 'WEIGHTS_INDEX_MALFORMED'],
    ['names a shard that is not there', '{"weight_map":{"a":"gone.safetensors"}}', 'WEIGHTS_MISSING'],
    ['names a tensor that the shard lacks', '{"weight_map":{"z":"one.safetensors"}}', 'TENSOR_MISSING'],
  ];
  it.each(indexes)('refuses an index that %s', async (_, index, code) => {
    writeFileSync(join(folder, 'one.safetensors'), bytes);
    writeFileSync(join(folder, 'model.safetensors.index.json'), index);
    await expect(readAll()).rejects.toMatchObject({ name: 'GraphError', code });
  });

  it('says where weights were looked for', async () => {
    await expect(readAll()).rejects.toMatchObject({
      code: 'WEIGHTS_MISSING',
      message: expect.stringContaining(folder),
    });
  });

  it('refuses a folder where a file belongs', async () => {
    mkdirSync(join(folder, 'model.safetensors'));
    await expect(readAll()).rejects.toMatchObject({ code: 'WEIGHTS_MISSING' });
  });
});

describe('any damage to a safetensors file', () => {
  /** A typed error, or tensors of the right shapes: never a crash, never another error. */
  async function survives(content: Uint8Array): Promise<'error' | 'loaded'> {
    writeFileSync(join(folder, 'model.safetensors'), content);
    try {
      const read = await readAll();
      expect(read.map(({ length }) => length)).toEqual([12, 5, 8]);
      return 'loaded';
    } catch (error) {
      expect(error).toBeInstanceOf(GraphError);
      return 'error';
    }
  }

  it('by flipped bytes gives a typed error or the tensors', async () => {
    let loaded = 0;
    const flips = fc.array(fc.record({ at: fc.nat(bytes.length - 1), to: fc.nat(255) }), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(flips, async (places) => {
        const damaged = Uint8Array.from(bytes);
        for (const { at, to } of places) damaged[at] = to;
        if ((await survives(damaged)) === 'loaded') loaded += 1;
      }),
      { numRuns: RUNS },
    );
    // Damage among the tensors' own bytes cannot be seen, damage to the header nearly always is: both must have occurred.
    expect(loaded).toBeGreaterThan(0);
    expect(loaded).toBeLessThan(RUNS);
  });

  it('by truncation gives a typed error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), async (kept) => {
        expect(await survives(bytes.subarray(0, kept))).toBe('error');
      }),
      { numRuns: Math.min(RUNS, bytes.length) },
    );
  });

  it('by a header that lies gives a typed error or the tensors', async () => {
    const body = bytes.subarray(bytes.length - 100);
    const number = fc.oneof(fc.nat(120), fc.constantFrom(-1, 0.5, 2 ** 31, 2 ** 53, 1e308, null, '4'));
    const lie = fc.record({
      dtype: fc.constantFrom('F32', 'BF16', 'F16', 'U8', 'F4', '', 5),
      shape: fc.oneof(fc.array(number, { maxLength: 3 }), number, fc.constantFrom([3, 4], [5], [2, 2, 2])),
      data_offsets: fc.oneof(
        fc.array(number, { minLength: 2, maxLength: 2 }),
        fc.array(number, { maxLength: 3 }),
        number,
      ),
    });
    const header = fc.record(
      { a: lie, b: lie, c: fc.oneof(lie, fc.constantFrom(null, 7, [])) },
      { requiredKeys: ['a', 'b'] },
    );
    const announced = fc.option(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), { nil: undefined, freq: 8 });
    await fc.assert(
      fc.asyncProperty(header, announced, async (lies, headerBytes) => {
        await survives(safetensorsWith(lies, body, headerBytes));
      }),
      { numRuns: RUNS },
    );
  });
});
