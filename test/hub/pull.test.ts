import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256, storedFile } from './hub-store.testing.ts';
import { CONFIG, pullRig, readModelFile, someBytes } from './pull-rig.testing.ts';

const weights = someBytes(300_000);

/** A repository as people publish them: with far more than is needed. */
const crowded = {
  'config.json': CONFIG,
  'generation_config.json': '{}',
  'tokenizer.json': '{"model":{}}',
  'tokenizer_config.json': '{ }',
  'README.md': '# model',
  '.gitattributes': '*.bin filter=lfs',
  'model.safetensors': weights,
  'pytorch_model.bin': someBytes(1000, 'torch'),
  'model.gguf': someBytes(1000, 'gguf'),
  'onnx/model.onnx': someBytes(2000, 'graph'),
  'onnx/model.onnx_data': someBytes(90_000, 'data'),
  'onnx/model.onnx_data_1': someBytes(10_000, 'more data'),
  'onnx/model_q4.onnx': someBytes(3000, 'q4'),
  'onnx/model_q4.onnx_data': someBytes(4000, 'q4 data'),
};

const pathsOf = (files: readonly { path: string }[] = []) => files.map(({ path }) => path).sort();

describe('a model of the hub', () => {
  it('is fetched into the layout that all tools of the hub share', async () => {
    const rig = await pullRig();
    const commit = rig.server.push('org/name', crowded);
    const model = await rig.pull('org/name');
    const root = join(rig.cacheFolder, 'models--org--name');
    expect(model).toMatchObject({ folder: join(root, 'snapshots', commit), source: 'hub' });
    expect(readFileSync(join(root, 'refs/main'), 'utf8')).toBe(commit);
    const link = join(model.folder, 'model.safetensors');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readlinkSync(link)).toBe(`../../blobs/${sha256(weights)}`);
    expect(readModelFile(model, 'model.safetensors').equals(weights)).toBe(true);
    expect(readdirSync(join(root, 'blobs')).filter((name) => !/^[0-9a-f]+$/.test(name))).toEqual([]);
  });

  it('is fetched with what is needed and nothing else', async () => {
    const rig = await pullRig();
    rig.server.push('org/name', crowded);
    const small = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'];
    const { hub } = await rig.pull('org/name');
    expect(pathsOf(hub?.files)).toEqual([...small, 'model.safetensors'].sort());
    const bytes = hub?.files.reduce((sum, file) => sum + file.bytes, 0);
    expect(hub?.downloadedBytes).toBe(bytes);
    const q4 = await rig.pull('org/name', { file: 'model_q4.onnx' });
    expect(pathsOf(q4.hub?.files)).toEqual([...small, 'onnx/model_q4.onnx', 'onnx/model_q4.onnx_data'].sort());
    expect(q4.onnxFile).toBe(join(q4.folder, 'onnx/model_q4.onnx'));
    expect(q4.hub?.downloadedBytes).toBe(7000);
    const graph = await rig.pull('org/name', { file: 'onnx/model.onnx' });
    expect(pathsOf(graph.hub?.files)).toContain('onnx/model.onnx_data_1');
    for (const path of ['README.md', 'pytorch_model.bin', 'model.gguf']) expect(rig.server.bodiesOf(path)).toEqual([]);
  });

  it('is fetched with all the shards that its index names', async () => {
    const rig = await pullRig();
    const index = { weight_map: { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' } };
    rig.server.push('org/sharded', {
      'config.json': CONFIG,
      'model.safetensors.index.json': JSON.stringify(index),
      'model-00001-of-00002.safetensors': someBytes(5000, 'one'),
      'model-00002-of-00002.safetensors': someBytes(6000, 'two'),
      'model-00003-of-00002.safetensors': someBytes(7000, 'stray'),
    });
    const model = await rig.pull('org/sharded');
    expect(pathsOf(model.hub?.files)).toEqual([
      'config.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ]);
    rmSync(join(model.folder, 'model-00002-of-00002.safetensors'));
    expect((await rig.find('org/sharded')).folder).toBe(model.folder);
    expect(readModelFile(model, 'model-00002-of-00002.safetensors')).toHaveLength(6000);
  });

  it('is fetched with the decoder that genai_config.json names', async () => {
    const rig = await pullRig();
    rig.server.push('org/genai', {
      'genai_config.json': JSON.stringify({ model: { decoder: { filename: 'phi.onnx' } } }),
      'phi.onnx': 'graph',
      'phi.onnx.data': 'data',
      'model.onnx': 'another',
      'tokenizer.json': '{}',
    });
    const model = await rig.pull('org/genai');
    expect(model.onnxFile).toBe(join(model.folder, 'phi.onnx'));
    expect(pathsOf(model.hub?.files)).toEqual(['genai_config.json', 'phi.onnx', 'phi.onnx.data', 'tokenizer.json']);
  });

  it('is found without any request once it is complete, also when its branch moved on', async () => {
    const rig = await pullRig();
    const first = rig.server.push('org/name', { 'config.json': CONFIG, 'model.safetensors': weights });
    await rig.pull('org/name');
    const second = rig.server.push('org/name', { 'config.json': `${CONFIG} `, 'model.safetensors': weights });
    rig.server.requests.length = 0;
    expect((await rig.find('org/name')).hub).toMatchObject({ commit: first, downloadedBytes: 0 });
    expect(rig.server.requests).toEqual([]);
    const { hub } = await rig.pull('org/name');
    // The weights are the same bytes: only the configuration is new.
    expect(hub).toMatchObject({ commit: second, downloadedBytes: CONFIG.length + 1 });
    expect((await rig.find('org/name')).hub?.commit).toBe(second);
    expect((await rig.find(`org/name@${first}`)).hub?.commit).toBe(first);
  });

  it('is fetched at a tag or at a commit, named either way', async () => {
    const rig = await pullRig();
    const first = rig.server.push('org/name', { 'config.json': CONFIG, 'model.safetensors': weights });
    rig.server.push('org/name', { 'config.json': `${CONFIG} `, 'model.safetensors': weights });
    rig.server.models.get('org/name')?.refs.set('v1', first);
    expect((await rig.pull('org/name@v1')).hub).toMatchObject({ commit: first, revision: 'v1' });
    expect((await rig.pull('org/name', { revision: first })).hub?.commit).toBe(first);
  });

  it('may have a listing of many pages, and empty files', async () => {
    const rig = await pullRig({ pageEntries: 2 });
    rig.server.push('org/name', { ...crowded, 'chat_template.jinja': '' });
    const model = await rig.pull('org/name');
    expect(readModelFile(model, 'model.safetensors').equals(weights)).toBe(true);
    expect(readModelFile(model, 'chat_template.jinja')).toHaveLength(0);
  });

  it('may be stored in chunks', async () => {
    const rig = await pullRig();
    const file = storedFile('model.safetensors', weights, 'chunks');
    rig.server.push('org/chunks', [storedFile('config.json', CONFIG), file]);
    const model = await rig.pull('org/chunks');
    expect(readModelFile(model, 'model.safetensors').equals(weights)).toBe(true);
    expect(rig.server.requests.some(({ url }) => url.startsWith('/chunks/'))).toBe(true);
    expect(rig.server.requests.some(({ url }) => url.includes('signed=yes'))).toBe(false);
  });

  it('gives way to a folder of the same name', async () => {
    const rig = await pullRig();
    rig.server.push('hub/fixtures', { 'config.json': CONFIG, 'model.safetensors': weights });
    const here = process.cwd();
    process.chdir(join(import.meta.dirname, '..'));
    try {
      expect((await rig.find('fixtures/llama')).source).toBe('folder');
    } finally {
      process.chdir(here);
    }
    expect(rig.server.requests).toEqual([]);
  });

  it('tells of each file that it is coming, how far it is, and that it is there', async () => {
    const rig = await pullRig();
    rig.server.push('org/name', { 'config.json': CONFIG, 'model.safetensors': weights });
    await rig.pull('org/name');
    const news = rig.progress.filter(({ file }) => file === 'model.safetensors');
    expect(news[0]).toEqual({ status: 'initiate', file: 'model.safetensors', loaded: 0, total: weights.length });
    expect(news.at(-1)).toEqual({
      status: 'done',
      file: 'model.safetensors',
      loaded: weights.length,
      total: weights.length,
    });
    const loaded = news.map((piece) => piece.loaded);
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
    expect(new Set(loaded).size).toBeGreaterThan(2);
  });
});

describe('a model of the hub that cannot be used', () => {
  it('is refused before anything large is fetched when it has no weights of a kind that is known', async () => {
    const rig = await pullRig();
    rig.server.push('org/old', { 'config.json': CONFIG, 'pytorch_model.bin': weights, 'model.gguf': weights });
    await expect(rig.pull('org/old')).rejects.toMatchObject({
      code: 'MODEL_WEIGHTS_MISSING',
      message: expect.stringContaining('only GGUF files and PyTorch files'),
    });
    expect(rig.server.bodiesOf('pytorch_model.bin')).toEqual([]);
  });

  it('is refused when the file that is asked for is not among its own, with their names', async () => {
    const rig = await pullRig();
    rig.server.push('org/name', crowded);
    await expect(rig.pull('org/name', { file: '*int8*' })).rejects.toMatchObject({
      code: 'MODEL_FILE_MISSING',
      message: expect.stringContaining('onnx/model_q4.onnx'),
    });
  });

  it.each(['../outside', '/etc/passwd', 'a/../../b', 'a\\b', 'C:evil', 'a//b', 'nul\0', 'x/./y'])(
    'is refused when a file is called %j',
    async (path) => {
      const rig = await pullRig();
      rig.server.push('org/evil', { 'config.json': CONFIG, 'model.safetensors': weights, [path]: 'x' });
      await expect(rig.pull('org/evil')).rejects.toMatchObject({ code: 'HUB_FAILED' });
      expect(readdirSync(rig.cacheFolder)).toEqual([]);
    },
  );

  it('is refused when a digest would name a file outside', async () => {
    const rig = await pullRig();
    rig.server.push('org/evil', [{ ...storedFile('config.json', CONFIG), digest: '../../x' }]);
    await expect(rig.pull('org/evil')).rejects.toMatchObject({ code: 'HUB_FAILED' });
  });
});
