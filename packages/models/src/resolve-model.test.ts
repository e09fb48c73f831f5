import { chmodSync, mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderWith } from './model-folder.testing.ts';
import { resolveModel } from './resolve-model.ts';
import type { ResolveOptions } from './resolved-model.ts';

/** Paths relative to the folder that was asked for. */
async function resolved(root: string, argument = root, options: ResolveOptions = {}) {
  const { folder, onnxFile, source } = await resolveModel(argument, options);
  const name = (path: string) => relative(root, path) || '.';
  return { folder: name(folder), ...(onnxFile === undefined ? {} : { onnxFile: name(onnxFile) }), source };
}

const genai = (filename: string) => JSON.stringify({ model: { decoder: { filename } } });

describe('resolveModel with a folder', () => {
  it('takes safetensors, in one file or in shards, also where there are ONNX files', async () => {
    for (const weights of ['model.safetensors', 'model.safetensors.index.json']) {
      const root = folderWith(['config.json', weights, 'onnx/model.onnx']);
      expect(await resolved(root)).toEqual({ folder: '.', source: 'folder' });
    }
  });

  it('takes the ONNX file that is asked for, by its name, its path or a pattern', async () => {
    const root = folderWith(['config.json', 'model.safetensors', 'onnx/model.onnx', 'onnx/model_q4.onnx']);
    for (const file of ['model_q4.onnx', 'onnx/model_q4.onnx', '*q4*', 'onnx/*q4.onnx']) {
      expect(await resolved(root, root, { file })).toEqual({
        folder: '.',
        onnxFile: 'onnx/model_q4.onnx',
        source: 'folder',
      });
    }
    expect(await resolved(root, root, { file: '*.safetensors' })).toEqual({ folder: '.', source: 'folder' });
    expect(await resolved(root, root, { file: '*.onnx' })).toMatchObject({ onnxFile: 'onnx/model.onnx' });
  });

  it.each([
    [['model.onnx', 'model_fp16.onnx', 'model_q4.onnx', 'model_quantized.onnx'], 'model.onnx'],
    [['model_quantized.onnx', 'model_q4.onnx', 'model_fp16.onnx'], 'model_fp16.onnx'],
    [['model_quantized.onnx', 'model_q4f16.onnx', 'model_q4.onnx'], 'model_q4.onnx'],
    [['model_int8.onnx', 'model_quantized.onnx', 'model_q4f16.onnx'], 'model_q4f16.onnx'],
    [['model_uint8.onnx', 'model_quantized.onnx', 'model_int8.onnx'], 'model_quantized.onnx'],
    [['decoder_with_past_model.onnx', 'decoder_model_merged.onnx'], 'decoder_model_merged.onnx'],
    [['whatever.onnx'], 'whatever.onnx'],
  ])('takes of %j the file %s', async (names, wanted) => {
    const root = folderWith(['config.json', ...names.map((name) => `onnx/${name}`)]);
    expect(await resolved(root)).toEqual({ folder: '.', onnxFile: `onnx/${wanted}`, source: 'folder' });
  });

  it('takes a graph at the top before one of the same name in onnx/', async () => {
    const root = folderWith(['config.json', 'model.onnx', 'onnx/model.onnx']);
    expect(await resolved(root)).toEqual({ folder: '.', onnxFile: 'model.onnx', source: 'folder' });
  });

  it('finds the configuration one level up when it is given the folder of the graphs itself', async () => {
    const root = folderWith(['config.json', 'onnx/model.onnx']);
    const expected = { folder: '.', onnxFile: 'onnx/model.onnx', source: 'folder' };
    expect(await resolved(root, join(root, 'onnx'))).toEqual(expected);
  });

  it('takes the decoder that genai_config.json names', async () => {
    const root = folderWith({
      'genai_config.json': genai('phi.onnx'),
      'phi.onnx': '',
      'phi.onnx.data': '',
      'b.onnx': '',
    });
    expect(await resolved(root)).toEqual({ folder: '.', onnxFile: 'phi.onnx', source: 'folder' });
  });

  it('says so when the decoder of genai_config.json is not there', async () => {
    const root = folderWith({ 'genai_config.json': genai('phi.onnx'), 'b.onnx': '' });
    await expect(resolveModel(root)).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
  });

  it('does not follow a genai_config.json out of the folder, nor trip over a damaged one', async () => {
    for (const text of [genai('../elsewhere.onnx'), '{"model"', '[]', '{"model":{"decoder":7}}']) {
      const root = folderWith({ 'genai_config.json': text, 'model.onnx': '' });
      expect(await resolved(root)).toMatchObject({ onnxFile: 'model.onnx' });
    }
  });

  it('leaves a folder without weights to whoever loads it', async () => {
    const root = folderWith(['config.json', 'pytorch_model.bin']);
    expect(await resolved(root)).toEqual({ folder: '.', source: 'folder' });
  });

  it('refuses a file that is not there, with the names that are', async () => {
    const root = folderWith(['config.json', 'model.safetensors', 'onnx/model.onnx']);
    await expect(resolveModel(root, { file: 'model_q8.onnx' })).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringContaining('there are model.safetensors, onnx/model.onnx.'),
    });
  });

  it('refuses to guess between graphs of unknown names', async () => {
    const root = folderWith(['config.json', 'onnx/a.onnx', 'onnx/b.onnx']);
    const error = { code: 'MODEL_FILE_AMBIGUOUS', message: expect.stringContaining('onnx/a.onnx, onnx/b.onnx') };
    await expect(resolveModel(root)).rejects.toMatchObject(error);
    expect(await resolved(root, root, { file: 'b.onnx' })).toMatchObject({ onnxFile: 'onnx/b.onnx' });
  });

  it('finds a wished file in a folder that the wish names', async () => {
    const root = folderWith(['cpu/int4/genai_config.json', 'cpu/int4/model.onnx', 'config.json']);
    const expected = { folder: 'cpu/int4', onnxFile: 'cpu/int4/model.onnx', source: 'folder' };
    expect(await resolved(root, root, { file: 'cpu/int4/*.onnx' })).toEqual(expected);
  });

  it('has no revisions', async () => {
    const root = folderWith(['config.json', 'model.safetensors']);
    await expect(resolveModel(root, { revision: 'main' })).rejects.toMatchObject({ code: 'MODEL_OPTION_INVALID' });
  });
});

describe('resolveModel with an ONNX file', () => {
  it('finds its configuration beside it or one level up', async () => {
    const root = folderWith(['config.json', 'onnx/model.onnx', 'model.onnx']);
    for (const onnxFile of ['onnx/model.onnx', 'model.onnx']) {
      expect(await resolved(root, join(root, onnxFile))).toEqual({ folder: '.', onnxFile, source: 'onnx' });
    }
  });

  it('refuses one without a configuration', async () => {
    const root = folderWith(['a/b/model.onnx', 'config.json']);
    const onnxFile = join(root, 'a/b/model.onnx');
    await expect(resolveModel(onnxFile)).rejects.toMatchObject({ code: 'MODEL_CONFIG_MISSING' });
  });

  it('refuses a wish that is another file', async () => {
    const root = folderWith(['config.json', 'model.onnx']);
    const path = join(root, 'model.onnx');
    await expect(resolveModel(path, { file: 'model_q4.onnx' })).rejects.toMatchObject({ code: 'MODEL_FILE_MISSING' });
    expect(await resolved(root, path, { file: 'model*' })).toMatchObject({ onnxFile: 'model.onnx' });
  });
});

describe('resolveModel with anything else', () => {
  it('says what would be accepted', async () => {
    for (const argument of ['', 'nothing', '/no/where/at/all', './org/name', 'org/name/more', 'org/', 'a@b']) {
      await expect(resolveModel(argument)).rejects.toMatchObject({
        code: 'MODEL_UNKNOWN',
        message: expect.stringMatching(/give a model folder .* an \.onnx file, or ORG\/NAME\[@REVISION\]\.$/),
      });
    }
  });

  it('refuses a file that is no graph, and a folder that cannot be read', async () => {
    const root = folderWith(['config.json', 'model.gguf']);
    await expect(resolveModel(join(root, 'model.gguf'))).rejects.toMatchObject({ code: 'MODEL_UNREADABLE' });
    if (process.getuid?.() === 0) return;
    const closed = join(root, 'closed');
    mkdirSync(closed);
    chmodSync(closed, 0);
    await expect(resolveModel(closed)).rejects.toMatchObject({ code: 'MODEL_UNREADABLE' });
  });

  it('refuses unknown options and an empty wish', async () => {
    const typo = { revison: 'main' } as ResolveOptions;
    await expect(resolveModel('org/name', typo)).rejects.toMatchObject({ code: 'MODEL_OPTION_INVALID' });
    await expect(resolveModel('org/name', { file: '' })).rejects.toMatchObject({ code: 'MODEL_OPTION_INVALID' });
  });
});
