import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shippedModel } from '../shipped-model.ts';
import { fakeHost, folderWith } from './fake-host.testing.ts';

describe('octavo inspect', () => {
  it('says what the shipped model is, and draws where a memory goes', async () => {
    const { run, stdout, stderr } = fakeHost();
    expect(await run('inspect', '--memory', '2GB')).toBe(0);
    expect(stderr()).toBe('');
    const text = stdout();
    for (const line of [
      /^architecture +LlamaForCausalLM$/m,
      /^layers +4, hidden 128, vocabulary 1,024$/m,
      /^parameters +918,656$/m,
      /^K\/V a token +f32 2\.05 kB, f16 1\.02 kB, int8 576 B$/m,
      /^context +1,024 tokens$/m,
      /^chat template +yes$/m,
      /^supported +yes$/m,
      /^█▓+░+$/m,
      /^░ +1\.73 GB +86\.4 % +pages \(f32\): 843,616 tokens$/m,
    ]) {
      expect(text).toMatch(line);
    }
  });

  it('prints one JSON object whose sizes are those of the files', async () => {
    const { run, stdout } = fakeHost();
    expect(await run('inspect', '--memory', '1GiB', '--kv-type', 'int8', '--weights', 'q4', '--json')).toBe(0);
    const printed = JSON.parse(stdout());
    expect(printed).toMatchObject({
      source: 'folder',
      folder: shippedModel(),
      supported: true,
      problems: [],
      shape: { layers: 4, kvHeads: 2, headDim: 32, windows: [] },
      bytesPerToken: { f32: 2048, f16: 1024, int8: 576 },
      memory: { bytes: 2 ** 30, weights: 'q4', kvType: 'int8' },
    });
    expect(printed.stored.bytes).toBe(readFileSync(join(shippedModel(), 'model.safetensors')).length);
    expect(printed.memory.tokens.int8).toBe((printed.memory.pages - 1) * 16);
  });

  it('lists every reason for which a model cannot be run, and ends well', async () => {
    const folder = folderWith({
      'config.json': JSON.stringify({
        architectures: ['Mystery'],
        quantization_config: { quant_method: 'awq', bits: 4 },
      }),
      'tokenizer.json': '{"model"',
    });
    const program = fakeHost();
    expect(await program.run('inspect', folder, '--json')).toBe(0);
    const { supported, problems, quantization } = JSON.parse(program.stdout());
    expect(supported).toBe(false);
    expect(problems.map(({ code }: { code: string }) => code)).toEqual([
      'QUANTIZATION_UNSUPPORTED',
      'ARCHITECTURE_UNKNOWN',
      'WEIGHTS_MISSING',
      'TOKENIZER_INVALID',
    ]);
    expect(quantization).toBe('awq, 4 bits');
    const person = fakeHost();
    expect(await person.run('inspect', folder)).toBe(0);
    expect(person.stdout()).toMatch(/^supported +no\n {2}QUANTIZATION_UNSUPPORTED: .*\n {2}ARCHITECTURE_UNKNOWN: /m);
  });

  it('says what is missing when a memory is too small', async () => {
    const { run, stdout } = fakeHost();
    expect(await run('inspect', '--memory', '100MB')).toBe(0);
    expect(stdout()).toMatch(/^! +172 MB .* missing: give more memory/m);
    expect(stdout()).not.toContain('tokens that fit');
  });

  it('refuses sizes and formats that are none', async () => {
    for (const argv of [
      ['--memory', '0'],
      ['--memory', 'lots'],
      ['--kv-type', 'int4'],
      ['--weights', 'q2'],
    ]) {
      const { run, stderr } = fakeHost();
      expect(await run('inspect', ...argv)).toBe(2);
      expect(stderr()).toMatch(/^octavo: INVALID_OPTION: [^\n]+\n$/);
    }
  });
});
