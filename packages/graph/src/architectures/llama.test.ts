import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deviation } from '../compare.testing.ts';
import { compileModel } from '../compile-model.ts';
import { referenceLogits } from '../llama.testing.ts';
import { smallConfig, type TestModelOptions, writeModel } from '../model-folder.testing.ts';
import { GraphSession } from '../ort.testing.ts';
import { generate, PagedDriver } from '../paged-driver.testing.ts';

const ids = [3, 17, 42, 8, 8, 31, 0, 49, 25, 12, 6];

const llama3 = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 16,
};

const variants: readonly (readonly [string, TestModelOptions])[] = [
  ['grouped queries', {}],
  ['one KV head for all', { config: { num_key_value_heads: 1 } }],
  ['a KV head for each', { config: { num_key_value_heads: undefined } }],
  ['one head', { config: { num_attention_heads: 1, num_key_value_heads: 1 } }],
  ['a head of its own width', { config: { head_dim: 10 } }],
  ['a tied head', { config: { tie_word_embeddings: true } }],
  ['biases in attention', { config: { attention_bias: true } }],
  ['biases in the MLP', { config: { mlp_bias: true } }],
  ['the rope of Llama 3', { config: { rope_scaling: llama3 } }],
  [
    'rope parameters in the newer place',
    { config: { rope_theta: undefined, rope_parameters: { ...llama3, rope_theta: 500 } } },
  ],
  ['the default rope by its name', { config: { rope_scaling: { type: 'default' } } }],
  ['bfloat16 weights', { dtype: 'BF16' }],
  ['float16 weights', { dtype: 'F16' }],
  ['bfloat16 weights and a tied head', { dtype: 'BF16', config: { tie_word_embeddings: true } }],
  ['one layer', { config: { num_hidden_layers: 1 } }],
];

describe('a compiled Llama', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'octavo-llama-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it.each(variants)('equals a float64 model with %s', async (_, options) => {
    const model = writeModel(join(folder, 'model'), options);
    const rope = (model.config.rope_parameters ?? model.config.rope_scaling) as Record<string, unknown> | undefined;
    const scaled = rope?.rope_type === 'llama3' ? rope : null;
    const known = { ...model, config: { ...model.config, rope_theta: 500, rope_scaling: scaled } };
    const expected = referenceLogits(known, ids);
    const compiled = await compileModel(model.folder, { levels: 2, cacheFolder: join(folder, 'cache') });
    const session = await GraphSession.open(compiled);
    try {
      for (const chunkTokens of [ids.length, 3, 1]) {
        const driver = new PagedDriver(session, { pages: 8, pageSize: 4 });
        const made = await generate(driver, ids, { count: 1, chunkTokens });
        expect(deviation(made.lastLogits, expected.at(-1) as number[])).toBeLessThan(5e-6);
        expect(made.argmax).toEqual(expected.map((logits) => logits.indexOf(Math.max(...logits))));
      }
    } finally {
      await session.close();
    }
  });

  const wrong: readonly (readonly [string, Record<string, unknown>, string, RegExp])[] = [
    ['no hidden_size', { hidden_size: undefined }, 'CONFIG_INVALID', /hidden_size is missing/],
    ['a hidden_size of text', { hidden_size: '24' }, 'CONFIG_INVALID', /hidden_size is "24"/],
    ['negative layers', { num_hidden_layers: -1 }, 'CONFIG_INVALID', /num_hidden_layers is -1/],
    ['half a layer', { num_hidden_layers: 1.5 }, 'CONFIG_INVALID', /num_hidden_layers is 1.5/],
    ['absurdly many layers', { num_hidden_layers: 1e9 }, 'CONFIG_INVALID', /num_hidden_layers is 1000000000/],
    ['an absurd vocabulary', { vocab_size: 1e12 }, 'CONFIG_INVALID', /vocab_size is 1000000000000/],
    [
      'heads that do not divide',
      { num_attention_heads: 5, num_key_value_heads: 5 },
      'CONFIG_INVALID',
      /hidden_size \(24\) is not a multiple/,
    ],
    [
      'KV heads that do not divide',
      { num_key_value_heads: 3 },
      'CONFIG_INVALID',
      /num_attention_heads \(4\) is not a multiple/,
    ],
    ['an odd head_dim', { head_dim: 7 }, 'CONFIG_INVALID', /head_dim is 7/],
    ['a rope without waves', { rope_theta: 1 }, 'CONFIG_INVALID', /rope_theta is 1 where a number above 1/],
    [
      'a rope without waves in the newer place',
      { rope_parameters: { rope_type: 'default', rope_theta: 0.5 } },
      'CONFIG_INVALID',
      /rope_theta is 0.5 where a number above 1/,
    ],
    ['an epsilon of 0', { rms_norm_eps: 0 }, 'CONFIG_INVALID', /rms_norm_eps is 0/],
    ['an epsilon that is no float32 number', { rms_norm_eps: 1e307 }, 'CONFIG_INVALID', /rms_norm_eps is 1e\+307/],
    ['a flag that is a number', { tie_word_embeddings: 1 }, 'CONFIG_INVALID', /tie_word_embeddings is 1/],
    ['end ids of text', { eos_token_id: ['x'] }, 'CONFIG_INVALID', /eos_token_id/],
    ['another activation', { hidden_act: 'xielu' }, 'ACTIVATION_UNSUPPORTED', /hidden_act "xielu"/],
    ['a rope of another type', { rope_scaling: { rope_type: 'xpos' } }, 'ROPE_UNSUPPORTED', /rope_type "xpos"/],
    ['a rope of another type in the old spelling', { rope_scaling: { type: 'ntk' } }, 'ROPE_UNSUPPORTED', /"ntk"/],
    [
      'half a pair to rotate',
      { partial_rotary_factor: 0.5 },
      'CONFIG_INVALID',
      /partial_rotary_factor is 0.5 of a head of 6/,
    ],
    ['a rotation beyond the head', { partial_rotary_factor: 1.5 }, 'CONFIG_INVALID', /partial_rotary_factor is 1.5/],
    ['a rope that shrinks', { rope_scaling: { type: 'linear', factor: 0.5 } }, 'CONFIG_INVALID', /factor is 0.5/],
    [
      'factors of longrope for other pairs',
      { rope_scaling: { type: 'longrope', short_factor: [1, 1], long_factor: [1, 1] } },
      'CONFIG_INVALID',
      /short_factor is not a list of 3/,
    ],
    [
      'a rope without its factor',
      { rope_scaling: { ...llama3, factor: undefined } },
      'CONFIG_INVALID',
      /factor is missing/,
    ],
    [
      'rope factors in the wrong order',
      { rope_scaling: { ...llama3, high_freq_factor: 1 } },
      'CONFIG_INVALID',
      /high_freq_factor/,
    ],
    ['rope scaling that is a number', { rope_scaling: 2 }, 'CONFIG_INVALID', /rope_scaling is 2/],
    [
      'weights quantised elsewhere',
      { quantization_config: { bits: 4 } },
      'QUANTIZATION_UNSUPPORTED',
      /quantization_config/,
    ],
    ['another architecture', { architectures: ['MambaForCausalLM'] }, 'ARCHITECTURE_UNKNOWN', /MambaForCausalLM/],
    ['no architecture', { architectures: undefined, model_type: undefined }, 'ARCHITECTURE_UNKNOWN', /none/],
    ['architectures that are a text', { architectures: 'LlamaForCausalLM' }, 'CONFIG_INVALID', /architectures/],
    ['more layers than the weights have', { num_hidden_layers: 3 }, 'TENSOR_MISSING', /model\.layers\.2\./],
    ['another width than the weights have', { intermediate_size: 41 }, 'TENSOR_SHAPE', /gate_proj/],
  ];
  it.each(wrong)('refuses a config with %s', async (_, fields, code, message) => {
    const model = writeModel(join(folder, 'model'));
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(model.folder, 'config.json'), JSON.stringify({ ...smallConfig, ...fields }));
    const compiling = compileModel(model.folder, { levels: 1, cacheFolder: join(folder, 'cache') });
    await expect(compiling).rejects.toMatchObject({
      name: 'GraphError',
      code,
      message: expect.stringMatching(message),
    });
  });
});
