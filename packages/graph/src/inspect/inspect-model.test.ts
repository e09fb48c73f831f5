import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compileModel } from '../compile-model.ts';
import { WEIGHT_FORMATS } from '../compiled-model.ts';
import { smallConfig, type TestModelOptions, writeModel } from '../model-folder.testing.ts';
import type { ModelSource } from '../model-source.ts';
import { inspectModel } from './inspect-model.ts';

const scratch = mkdtempSync(join(tmpdir(), 'octavo-inspect-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let folders = 0;
const emptyFolder = (): string => {
  const folder = join(scratch, `model-${folders++}`);
  mkdirSync(folder);
  return folder;
};
const small = (options: TestModelOptions = {}): string => writeModel(emptyFolder(), options).folder;
const codes = async (source: ModelSource) => (await inspectModel(source)).problems.map(({ code }) => code);

const shipped = join(import.meta.dirname, '../../../octavo/model/shopkeeper');
const fixtures = join(import.meta.dirname, '../../../../test/fixtures');
const fixture = (name: string): ModelSource => {
  const folder = join(fixtures, name);
  return { folder, onnxFile: join(folder, 'onnx/model.onnx') };
};

describe('inspectModel with safetensors', () => {
  it('counts what the compiler makes, for every format of weights', async () => {
    const folders = readdirSync(fixtures)
      .map((name) => join(fixtures, name))
      .filter((folder) => existsSync(join(folder, 'model.safetensors')));
    expect(folders.length).toBeGreaterThan(8);
    for (const folder of [shipped, small({ dtype: 'F16', shards: 2 }), ...folders]) {
      const { weightBytes, shape, problems } = await inspectModel({ folder });
      expect(problems).toEqual([]);
      for (const weights of WEIGHT_FORMATS) {
        const compiled = await compileModel(folder, { weights, levels: 2, cacheFolder: join(scratch, 'cache') });
        expect(weightBytes[weights]).toBe(compiled.weightBytes);
        expect(shape).toEqual(compiled.shape);
      }
    }
  });

  it('counts each parameter once', async () => {
    const { hidden_size: hidden, vocab_size: vocabulary } = smallConfig;
    const own = await inspectModel({ folder: small() });
    const tied = await inspectModel({ folder: small({ config: { tie_word_embeddings: true } }) });
    expect((own.parameters ?? 0) - (tied.parameters ?? 0)).toBe(hidden * vocabulary);
    expect(own.stored.bytesByType).toEqual({ F32: 4 * (own.parameters ?? 0) });
  });

  it('says what lies on the disk, also what the model does not use', async () => {
    const edit: NonNullable<TestModelOptions['edit']> = (tensors) => [
      ...tensors,
      { name: 'left.over', shape: [10], floats: new Float32Array(10) },
    ];
    const { parameters = 0, stored, problems } = await inspectModel({ folder: small({ edit, shards: 2 }) });
    expect(problems).toEqual([]);
    expect(stored.bytesByType).toEqual({ F32: 4 * (parameters + 10) });
    expect(stored.files).toEqual(['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']);
    expect(stored.bytes).toBeGreaterThan(4 * (parameters + 10));
  });

  it('lists everything that is wrong, not only the first', async () => {
    const folder = small({
      edit: (tensors) =>
        tensors
          .filter(({ name }) => !name.endsWith('k_proj.weight') && name !== 'model.norm.weight')
          .map((tensor) => (tensor.name === 'lm_head.weight' ? { ...tensor, shape: [24, 50] } : tensor)),
    });
    writeFileSync(join(folder, 'generation_config.json'), '{"eos_token_id": "end"}');
    const { problems, shape, weightBytes } = await inspectModel({ folder });
    expect(problems.map(({ code }) => code).sort()).toEqual([
      'CONFIG_INVALID',
      'TENSOR_MISSING',
      'TENSOR_MISSING',
      'TENSOR_MISSING',
      'TENSOR_SHAPE',
    ]);
    expect(shape).toBeDefined();
    expect(Object.keys(weightBytes)).toEqual(WEIGHT_FORMATS);
  });

  it('knows shape and sizes from the configuration alone', async () => {
    const folder = small();
    const whole = await inspectModel({ folder });
    rmSync(join(folder, 'model.safetensors'));
    const { problems, shape, parameters, weightBytes, stored } = await inspectModel({ folder });
    expect(problems.map(({ code }) => code)).toEqual(['WEIGHTS_MISSING']);
    expect({ shape, parameters, weightBytes }).toEqual({
      shape: whole.shape,
      parameters: whole.parameters,
      weightBytes: whole.weightBytes,
    });
    expect(stored).toEqual({ bytes: 0, files: [], bytesByType: {} });
  });

  it('knows the files when the configuration says nothing', async () => {
    expect(await codes({ folder: join(scratch, 'nothing') })).toEqual(['MODEL_FOLDER_MISSING', 'WEIGHTS_MISSING']);
    expect(await codes({ folder: emptyFolder() })).toEqual(['CONFIG_MISSING', 'WEIGHTS_MISSING']);
    const unknown = small({ config: { architectures: ['Mystery'], quantization_config: 7 } });
    const inspection = await inspectModel({ folder: unknown });
    expect(inspection).toMatchObject({ architecture: 'Mystery', weightBytes: {} });
    expect(inspection.problems.map(({ code }) => code)).toEqual(['QUANTIZATION_UNSUPPORTED', 'ARCHITECTURE_UNKNOWN']);
    expect(inspection.stored.bytes).toBeGreaterThan(0);
    expect(inspection.shape).toBeUndefined();
  });

  it('names the quantisation of another tool, and complains of it once', async () => {
    const folder = small({
      config: { quantization_config: { quant_method: 'gptq', bits: 4 } },
      edit: (tensors) => tensors.filter(({ name }) => !name.includes('proj')),
    });
    const { quantization, problems } = await inspectModel({ folder });
    expect(quantization).toBe('gptq, 4 bits');
    expect(problems.map(({ code }) => code)).toEqual(['QUANTIZATION_UNSUPPORTED']);
  });
});

describe('inspectModel with an ONNX file', () => {
  it('counts what the importer makes', async () => {
    for (const name of ['llama', 'qwen2', 'gpt2', 'llama-gqa-q4']) {
      const source = fixture(name);
      const { weightBytes, shape, problems, format, parameters = 0 } = await inspectModel(source);
      const compiled = await compileModel(source, { levels: 2, cacheFolder: join(scratch, 'cache') });
      expect({ problems, format, weightBytes, shape }).toEqual({
        problems: [],
        format: 'onnx',
        weightBytes: { [compiled.weights]: compiled.weightBytes },
        shape: compiled.shape,
      });
      expect(parameters).toBeGreaterThan(50_000);
    }
  });

  it('names the quantisation', async () => {
    expect((await inspectModel(fixture('llama-gqa-q4'))).quantization).toBe('4 bits in blocks of 32');
    expect((await inspectModel(fixture('llama'))).quantization).toBeUndefined();
  });

  it('says what is wrong with a file that is cut, and with its configuration too', async () => {
    const { folder, onnxFile = '' } = fixture('gpt2');
    const copy = emptyFolder();
    copyFileSync(join(folder, 'config.json'), join(copy, 'config.json'));
    const cut = join(copy, 'model.onnx');
    writeFileSync(cut, readFileSync(onnxFile).subarray(0, 20_000));
    expect(await codes({ folder: copy, onnxFile: cut })).toEqual(['ONNX_MALFORMED']);
    writeFileSync(join(copy, 'config.json'), '{');
    expect(await codes({ folder: copy, onnxFile: cut })).toEqual(['CONFIG_MALFORMED', 'ONNX_MALFORMED']);
    expect(await codes({ folder: copy, onnxFile: join(copy, 'none.onnx') })).toContain('ONNX_MISSING');
  });
});
