import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type { link } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compileModel } from '../compile-model.ts';
import type { CompiledModel, CompileOptions } from '../compiled-model.ts';
import { writeModel } from '../model-folder.testing.ts';
import { GraphSession } from '../ort.testing.ts';
import { generate, PagedDriver } from '../paged-driver.testing.ts';
import { cacheFolder } from './cache-folder.ts';
import { linkOrCopy } from './link-file.ts';

let folder: string;
let cache: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'octavo-cache-'));
  cache = join(folder, 'cache');
});
afterEach(() => rmSync(folder, { recursive: true }));

const compile = (model: string, options: Partial<CompileOptions> = {}): Promise<CompiledModel> =>
  compileModel(model, { levels: 1, cacheFolder: cache, ...options });

async function answer(model: CompiledModel): Promise<number[]> {
  const session = await GraphSession.open(model, { intraOpNumThreads: 1 });
  const made = await generate(new PagedDriver(session, { pages: 4, pageSize: 4 }), [1, 2, 3], { count: 5 });
  await session.close();
  return [...made.ids, ...made.lastLogits];
}

/** The compiled graph's folder. */
const folderOf = (model: CompiledModel) => join(model.graphFile, '..');

describe('compiled graphs on disk', () => {
  it('are found again', async () => {
    const { folder: model } = writeModel(join(folder, 'model'));
    const first = await compile(model);
    const second = await compile(model);
    expect(first.fromCache).toBe(false);
    expect(second).toEqual({ ...first, fromCache: true });
  });

  it('use float32 weights in place, by a second name of the same file', async () => {
    const { folder: model } = writeModel(join(folder, 'model'));
    const compiled = await compile(model);
    const [own, linked] = [join(model, 'model.safetensors'), join(folderOf(compiled), 'model.safetensors')];
    expect(statSync(linked).ino).toBe(statSync(own).ino);
    // What is packed beside it is the rope table alone: 64 positions of 3 cosines and 3 sines.
    expect(statSync(join(folderOf(compiled), 'weights.bin')).size).toBe(64 * 6 * 4);
  });

  it('copy the weights where a link is refused', async () => {
    writeFileSync(join(folder, 'a'), 'weights');
    const refuse: typeof link = () => Promise.reject(Object.assign(new Error('cross-device'), { code: 'EXDEV' }));
    await linkOrCopy(join(folder, 'a'), join(folder, 'b'), refuse);
    expect(readFileSync(join(folder, 'b'), 'utf8')).toBe('weights');
  });

  it('never write through a second name that is in the way', async () => {
    writeFileSync(join(folder, 'a'), 'weights');
    writeFileSync(join(folder, 'b'), 'others');
    linkSync(join(folder, 'b'), join(folder, 'c'));
    const refuse: typeof link = () => Promise.reject(new Error('refused'));
    for (const makeLink of [undefined, refuse]) {
      await linkOrCopy(join(folder, 'a'), join(folder, 'c'), makeLink);
      expect(readFileSync(join(folder, 'c'), 'utf8')).toBe('weights');
      expect(readFileSync(join(folder, 'b'), 'utf8')).toBe('others');
    }
    await linkOrCopy(join(folder, 'a'), join(folder, 'c'));
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('weights');
  });

  it('of shards give what those of a single file give', async () => {
    const single = await compile(writeModel(join(folder, 'single')).folder);
    const sharded = await compile(writeModel(join(folder, 'sharded'), { shards: 4 }).folder);
    expect(await answer(sharded)).toEqual(await answer(single));
    const packed = { weights: 'q8' } as const;
    const [one, many] = [await compile(join(folder, 'single'), packed), await compile(join(folder, 'sharded'), packed)];
    expect(await answer(many)).toEqual(await answer(one));
  });

  const damages: readonly (readonly [string, (compiled: string) => void])[] = [
    [
      'a graph cut short',
      (compiled) =>
        writeFileSync(join(compiled, 'model.onnx'), readFileSync(join(compiled, 'model.onnx')).subarray(0, 99)),
    ],
    ['a changed byte in the graph', (compiled) => flipByte(join(compiled, 'model.onnx'))],
    ['weights that lost their end', (compiled) => writeFileSync(join(compiled, 'weights.bin'), '')],
    ['weights that are gone', (compiled) => rmSync(join(compiled, 'model.safetensors'))],
    ['weights that grew', (compiled) => appendFileSync(join(compiled, 'weights.bin'), 'x')],
    ['no manifest', (compiled) => rmSync(join(compiled, 'compiled.json'))],
    ['a manifest that is not JSON', (compiled) => writeFileSync(join(compiled, 'compiled.json'), '{')],
    [
      'a manifest of nothing',
      (compiled) => writeFileSync(join(compiled, 'compiled.json'), '{"files":{},"graphDigest":""}'),
    ],
    ['everything gone', (compiled) => rmSync(compiled, { recursive: true })],
  ];
  it.each(damages)('are made again when found with %s', async (_, damage) => {
    const { folder: model } = writeModel(join(folder, 'model'), { dtype: 'F32' });
    const first = await compile(model);
    const expected = await answer(first);
    damage(folderOf(first));
    const second = await compile(model);
    expect(second).toEqual(first);
    expect(await answer(second)).toEqual(expected);
    expect((await compile(model)).fromCache).toBe(true);
    expect(readdirSync(cache)).toEqual([first.fingerprint]);
  });

  it('are written once when several compile at the same time', async () => {
    const { folder: model } = writeModel(join(folder, 'model'), { dtype: 'BF16' });
    const all = await Promise.all(Array.from({ length: 6 }, () => compile(model)));
    expect(new Set(all.map(({ graphFile }) => graphFile)).size).toBe(1);
    expect(readdirSync(cache)).toEqual([all[0]?.fingerprint]);
    expect(await answer(all[0] as CompiledModel)).toHaveLength(5 + 50);
  });

  it('leave nothing behind when the model is wrong', async () => {
    const { folder: model } = writeModel(join(folder, 'model'), { edit: (tensors) => tensors.slice(1) });
    await expect(compile(model)).rejects.toMatchObject({ code: 'TENSOR_MISSING' });
    expect(readdirSync(folder)).toEqual(['model']);
  });

  it('leave nothing behind when packing fails', async () => {
    const spoil = writeModel(join(folder, 'model'), {
      edit: (tensors) =>
        tensors.map((tensor) =>
          tensor.name.includes('up_proj') ? { ...tensor, floats: tensor.floats.fill(Number.NaN) } : tensor,
        ),
    });
    await expect(compile(spoil.folder, { weights: 'q8' })).rejects.toMatchObject({ code: 'TENSOR_NOT_FINITE' });
    expect(readdirSync(cache)).toEqual([]);
  });

  it('sweep away what a process that is gone left half-made', async () => {
    const { folder: model } = writeModel(join(folder, 'model'));
    for (const name of ['.partial-old', '.partial-young', 'of-somebody-else'])
      mkdirSync(join(cache, name), { recursive: true });
    const twoDaysAgo = new Date(Date.now() - 2 * 24 * 60 * 60 * 1000);
    utimesSync(join(cache, '.partial-old'), twoDaysAgo, twoDaysAgo);
    const { fingerprint } = await compile(model);
    expect(readdirSync(cache).sort()).toEqual(['.partial-young', fingerprint, 'of-somebody-else'].sort());
  });

  it('are not kept when the weights change meanwhile', async () => {
    const { folder: model } = writeModel(join(folder, 'model'));
    const file = join(model, 'model.safetensors');
    const onProgress: CompileOptions['onProgress'] = ({ status }) => {
      if (status !== 'write') return;
      // Another file under the same name, as a download would put it there.
      writeFileSync(join(folder, 'new'), readFileSync(file));
      renameSync(join(folder, 'new'), file);
    };
    await expect(compile(model, { onProgress })).rejects.toMatchObject({
      code: 'WEIGHTS_CHANGED',
      file: 'model.safetensors',
    });
    expect(readdirSync(cache)).toEqual([]);
  });

  it('cannot be kept in a file, and say so', async () => {
    const { folder: model } = writeModel(join(folder, 'model'));
    writeFileSync(cache, 'a file');
    await expect(compile(model)).rejects.toMatchObject({
      code: 'CACHE_UNWRITABLE',
      message: expect.stringMatching(/set OCTAVO_CACHE/),
    });
  });
});

describe('the fingerprint', () => {
  it('changes with everything that could give other K/V', async () => {
    const first = writeModel(join(folder, 'first')).folder;
    const prints = [
      await compile(first),
      await compile(first, { weights: 'q8' }),
      await compile(first, { weights: 'q4' }),
      await compile(first, { levels: 2 }),
      await compile(first, { contextTokens: 32 }),
      await compile(writeModel(join(folder, 'theta'), { config: { rope_theta: 501 } }).folder),
      await compile(writeModel(join(folder, 'seed'), { seed: 2 }).folder),
      await compile(writeModel(join(folder, 'dtype'), { dtype: 'BF16' }).folder),
    ].map(({ fingerprint }) => fingerprint);
    expect(new Set(prints).size).toBe(prints.length);
    expect(prints.every((print) => /^[0-9a-f]{64}$/.test(print))).toBe(true);
  });

  it('changes with weights of the same length and time', async () => {
    const { folder: model } = writeModel(join(folder, 'model'));
    const file = join(model, 'model.safetensors');
    utimesSync(file, 1000, 1000);
    const first = await compile(model);
    flipByte(file);
    utimesSync(file, 1000, 1000);
    expect((await compile(model)).fingerprint).not.toBe(first.fingerprint);
  });

  it('does not change with what only decides when a generation ends', async () => {
    const { folder: model } = writeModel(join(folder, 'model'));
    const first = await compile(model);
    expect(first.endIds).toEqual([7]);
    writeFileSync(join(model, 'generation_config.json'), '{"eos_token_id":[5,9]}');
    expect(await compile(model)).toEqual({ ...first, endIds: [5, 9], fromCache: true });
  });
});

describe('a model folder', () => {
  it('that is not there, is a file, or has no config is refused', async () => {
    await expect(compile(join(folder, 'gone'))).rejects.toMatchObject({
      code: 'MODEL_FOLDER_MISSING',
      message: expect.stringMatching(/does not exist/),
    });
    writeFileSync(join(folder, 'file'), '');
    await expect(compile(join(folder, 'file'))).rejects.toMatchObject({
      code: 'MODEL_FOLDER_MISSING',
      message: expect.stringMatching(/not a folder/),
    });
    mkdirSync(join(folder, 'empty'));
    await expect(compile(join(folder, 'empty'))).rejects.toMatchObject({ code: 'CONFIG_MISSING' });
  });

  it.each(['{', '[]', 'null', '"text"', ''])('whose config.json holds %j is refused', async (text) => {
    const { folder: model } = writeModel(join(folder, 'model'));
    writeFileSync(join(model, 'config.json'), text);
    await expect(compile(model)).rejects.toMatchObject({
      code: 'CONFIG_MALFORMED',
      message: expect.stringMatching(/config\.json/),
    });
  });

  it('whose generation_config.json is broken is refused', async () => {
    const { folder: model } = writeModel(join(folder, 'model'));
    writeFileSync(join(model, 'generation_config.json'), '{');
    await expect(compile(model)).rejects.toMatchObject({
      code: 'CONFIG_MALFORMED',
      message: expect.stringMatching(/generation_config/),
    });
  });

  it('without end ids has none', async () => {
    const { folder: model } = writeModel(join(folder, 'model'), { config: { eos_token_id: undefined } });
    expect((await compile(model)).endIds).toEqual([]);
  });
});

describe('cacheFolder', () => {
  const places: readonly (readonly [Record<string, string>, string])[] = [
    [{ OCTAVO_CACHE: '/a', XDG_CACHE_HOME: '/b', HOME: '/c' }, '/a'],
    [{ XDG_CACHE_HOME: '/b', HOME: '/c' }, '/b/octavo'],
    [{ XDG_CACHE_HOME: 'relative', HOME: '/c' }, '/c/.cache/octavo'],
    [{ OCTAVO_CACHE: '', HOME: '/c' }, '/c/.cache/octavo'],
    [{ LOCALAPPDATA: '/local', USERPROFILE: '/user' }, '/local/octavo'],
    [{ USERPROFILE: '/user' }, '/user/.cache/octavo'],
  ];
  it.each(places)('with %j is %s', (env, expected) => {
    expect(cacheFolder(env)).toBe(expected);
  });

  it('without any home asks for OCTAVO_CACHE', () => {
    expect(() => cacheFolder({})).toThrow(/set OCTAVO_CACHE/);
  });
});

function flipByte(file: string): void {
  const content = readFileSync(file);
  const at = content.length - 1;
  content[at] = (content[at] as number) ^ 1;
  // Written over in place, as a careless tool would.
  chmodSync(file, 0o644);
  writeFileSync(file, content);
}
