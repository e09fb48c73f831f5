import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { small, writeStyle } from './export-styles.testing.ts';
import { changed, compile, config, errorOf, plain, scratch, write } from './written-export.testing.ts';

describe('external data', () => {
  const external = { ...plain, external: 'weights.data' };
  const { bytes, data } = writeStyle(external);
  const stored = data?.bytes as Uint8Array;
  const movedTo = (location: string) =>
    changed((model) => {
      for (const { externalData } of model.graph?.initializer ?? []) {
        for (const entry of externalData) if (entry.key === 'location') entry.value = location;
      }
    }, external);

  it('is used where it lies', async () => {
    const model = await compile(write(bytes, { 'weights.data': stored }));
    expect(model.past).toBeUndefined();
    expect(model.weightBytes).toBeGreaterThan(stored.length / 2);
  });

  it('must be there, and long enough', async () => {
    const missing = await errorOf(compile(write(bytes)));
    expect([missing.code, missing.message]).toEqual(['ONNX_DATA_MISSING', expect.stringContaining('weights.data')]);
    const short = await errorOf(compile(write(bytes, { 'weights.data': stored.slice(0, 100) })));
    expect([short.code, short.message]).toEqual(['ONNX_DATA_MISSING', expect.stringContaining('100 bytes')]);
  });

  it.each(['../weights.data', '/etc/passwd', 'a/../../weights.data', 'C:\\weights.data', ''])(
    'must not be outside the folder (%j)',
    async (location) => {
      expect((await errorOf(compile(write(movedTo(location), { 'weights.data': stored })))).code).toBe(
        'ONNX_DATA_OUTSIDE',
      );
    },
  );

  it('must not be a link that leads out of the folder', async () => {
    const source = write(bytes);
    const target = join(scratch, 'elsewhere.data');
    writeFileSync(target, stored);
    symlinkSync(target, join(dirname(source.onnxFile), 'weights.data'));
    expect((await errorOf(compile(source))).code).toBe('ONNX_DATA_OUTSIDE');
  });

  it("may be a link into the blobs of a hub's cache", async () => {
    const snapshot = join(scratch, 'models--org--name/snapshots/abc');
    const blobs = join(scratch, 'models--org--name/blobs');
    mkdirSync(join(snapshot, 'onnx'), { recursive: true });
    mkdirSync(blobs);
    const files = { 'config.json': JSON.stringify(config), 'onnx/model.onnx': bytes, 'onnx/weights.data': stored };
    Object.entries(files).forEach(([name, content], index) => {
      writeFileSync(join(blobs, String(index)), content);
      symlinkSync(join(blobs, String(index)), join(snapshot, name));
    });
    const model = await compile({ folder: snapshot, onnxFile: join(snapshot, 'onnx/model.onnx') });
    expect(model.past).toBeUndefined();
  });
});

describe('a folder of onnxruntime-genai', () => {
  it('is read by its genai_config.json, names of inputs and outputs included', async () => {
    const names = { past: 'cache.%s.%k.in', present: 'cache.%s.%k.out' };
    const source = write(writeStyle({ ...plain, names }).bytes);
    rmSync(join(source.folder, 'config.json'));
    const template = (kind: string, end: string) => `cache.%d.${kind}.${end}`;
    const decoder = {
      inputs: { past_key_names: template('key', 'in'), past_value_names: template('value', 'in') },
      outputs: { present_key_names: template('key', 'out'), present_value_names: template('value', 'out') },
      hidden_size: small.hidden,
    };
    const fields = { context_length: 48, eos_token_id: [3, 5], type: 'llama', decoder };
    writeFileSync(join(source.folder, 'genai_config.json'), JSON.stringify({ model: fields }));
    const model = await compile(source);
    expect(model.past).toBeUndefined();
    expect(model.endIds).toEqual([3, 5]);
    expect(model.shape).toMatchObject({ architecture: 'llama', contextTokens: 48, hidden: small.hidden, layers: 2 });
  });
});
