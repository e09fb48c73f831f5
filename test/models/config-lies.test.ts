import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readModelShape } from '@octavo/graph';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtureFolder } from './fixtures.ts';
import { goldenCases } from './golden-cases.ts';
import type { Config } from './reference/config.ts';
import { readConfig } from './reference/tensors.ts';
import { referenceCases } from './reference-cases.ts';

/** CI runs the default; raise it for a long search. */
const RUNS = Number(process.env.OCTAVO_PROPERTY_RUNS ?? 3_000);

const stored = (fixture: string): Config => readConfig(fixtureFolder(fixture));
const configs: readonly Config[] = [
  ...goldenCases.map(({ fixture }) => stored(fixture)),
  ...referenceCases.map(({ architecture, config }) => ({ ...config, architectures: [architecture] })),
];
const of = (architecture: string, more: Config): Config => {
  const found = configs.find(({ architectures }) => (architectures as string[])[0] === architecture);
  if (found === undefined) throw new Error(`no case of ${architecture}`);
  return { ...found, ...more };
};

describe('a config.json that lies', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'octavo-lies-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function shapeOf(config: Config) {
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    return readModelShape(folder);
  }

  const lies: readonly (readonly [string, Config, string, RegExp])[] = [
    [
      'too few layer types',
      of('MistralForCausalLM', { layer_types: ['full_attention'] }),
      'CONFIG_INVALID',
      /layer_types has 1 entries for 3/,
    ],
    [
      'a layer type that nobody knows',
      of('MistralForCausalLM', { layer_types: ['linear_attention', 'full_attention', 'full_attention'] }),
      'CONFIG_INVALID',
      /"linear_attention" where full_attention or sliding_attention/,
    ],
    [
      'a sliding layer without a window',
      of('MistralForCausalLM', {
        sliding_window: null,
        layer_types: ['sliding_attention', 'full_attention', 'full_attention'],
      }),
      'CONFIG_INVALID',
      /sliding_window is missing/,
    ],
    ['a window of no tokens', of('Phi3ForCausalLM', { sliding_window: 0 }), 'CONFIG_INVALID', /sliding_window is 0/],
    [
      'a window of half a token',
      of('Gemma2ForCausalLM', { sliding_window: 0.5 }),
      'CONFIG_INVALID',
      /sliding_window is 0.5/,
    ],
    [
      'a cap of 0',
      of('Gemma2ForCausalLM', { attn_logit_softcapping: 0 }),
      'CONFIG_INVALID',
      /attn_logit_softcapping is 0/,
    ],
    [
      'a Gemma that reads both ways',
      of('Gemma3ForCausalLM', { use_bidirectional_attention: true }),
      'CONFIG_INVALID',
      /use_bidirectional_attention/,
    ],
    [
      'a rope type of one kind of layer that nobody knows',
      of('Gemma3ForCausalLM', { rope_parameters: { full_attention: { rope_type: 'spiral' } } }),
      'ROPE_UNSUPPORTED',
      /"spiral".*use a model with default, linear/,
    ],
    ['a rope base of 1', of('LlamaForCausalLM', { rope_theta: 1 }), 'CONFIG_INVALID', /rope_theta is 1/],
    [
      'a longrope without its long factors',
      of('Phi3ForCausalLM', { rope_scaling: { type: 'longrope', short_factor: new Array(8).fill(1) } }),
      'CONFIG_INVALID',
      /long_factor is not a list of 8/,
    ],
    [
      'more chosen experts than there are',
      of('MixtralForCausalLM', { num_experts_per_tok: 5 }),
      'CONFIG_INVALID',
      /num_experts_per_tok is 5/,
    ],
    [
      'an absurd number of experts in all',
      of('MixtralForCausalLM', { num_hidden_layers: 1024, num_local_experts: 1024 }),
      'CONFIG_INVALID',
      /num_local_experts \(1024\) times num_hidden_layers/,
    ],
    [
      'heads that do not divide',
      of('GPT2LMHeadModel', { n_head: 5 }),
      'CONFIG_INVALID',
      /n_embd \(48\) is not a multiple of n_head \(5\)/,
    ],
    [
      'KV heads in a model that has none',
      of('GPT2LMHeadModel', { num_key_value_heads: 1 }),
      'CONFIG_INVALID',
      /num_key_value_heads/,
    ],
    [
      'an unknown activation',
      of('GPT2LMHeadModel', { activation_function: 'mish' }),
      'ACTIVATION_UNSUPPORTED',
      /activation_function "mish"/,
    ],
    [
      'an unknown activation of Gemma',
      of('Gemma2ForCausalLM', { hidden_activation: 'x' }),
      'ACTIVATION_UNSUPPORTED',
      /hidden_activation "x"/,
    ],
    [
      'attention types for other layers',
      of('GPTNeoForCausalLM', { attention_layers: ['local'] }),
      'CONFIG_INVALID',
      /attention_layers is for 1 layers, but num_layers is 4/,
    ],
    [
      'attention types that repeat for ever',
      of('GPTNeoForCausalLM', { attention_layers: null, attention_types: [[['local'], 1e9]] }),
      'CONFIG_INVALID',
      /attention_types/,
    ],
    [
      'an attention type that nobody knows',
      of('GPTNeoForCausalLM', { attention_layers: ['local', 'far', 'local', 'far'] }),
      'CONFIG_INVALID',
      /"far"/,
    ],
    [
      'flags of layers without rope that are no flags',
      of('SmolLM3ForCausalLM', { no_rope_layers: [1, 2, 0, 1, 1] }),
      'CONFIG_INVALID',
      /no_rope_layers/,
    ],
    [
      'more than a whole head to rotate',
      of('GPTNeoXForCausalLM', { rotary_pct: 2 }),
      'CONFIG_INVALID',
      /rotary_pct is 2 of a head of 8/,
    ],
    [
      'ten million layers',
      of('Qwen3ForCausalLM', { num_hidden_layers: 1e7 }),
      'CONFIG_INVALID',
      /num_hidden_layers is 10000000/,
    ],
    [
      'a multiplier below 0',
      of('GraniteForCausalLM', { residual_multiplier: -1 }),
      'CONFIG_INVALID',
      /residual_multiplier is -1/,
    ],
  ];
  it.each(lies)('is refused with file and field: %s', async (_, config, code, message) => {
    await expect(shapeOf(config)).rejects.toMatchObject({
      name: 'GraphError',
      code,
      file: join(folder, 'config.json'),
      message: expect.stringMatching(message),
    });
  });

  it('is refused or understood, whatever stands in its fields', async () => {
    const fields = [...new Set(configs.flatMap((config) => Object.keys(config)))].filter(
      (name) => name !== 'architectures',
    );
    const hostile = fc.oneof(
      fc.constantFrom(
        0,
        -1,
        1,
        0.5,
        7,
        1e9,
        1e300,
        -1e300,
        '',
        'x',
        true,
        false,
        null,
        [],
        {},
        [[]],
        [0],
        ['sliding_attention'],
      ),
      fc.jsonValue({ maxDepth: 2 }),
    );
    const change = fc.dictionary(fc.constantFrom(...fields), hostile, { minKeys: 1, maxKeys: 3 });
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...configs), change, async (config, changes) => {
        const answer = await shapeOf({ ...config, ...changes }).catch((error: unknown) => error);
        if (answer instanceof Error) {
          refused += 1;
          expect(answer).toMatchObject({ name: 'GraphError', file: join(folder, 'config.json') });
        } else expect(answer).toMatchObject({ layers: expect.any(Number), headDim: expect.any(Number) });
      }),
      { numRuns: RUNS },
    );
    expect(refused).toBeGreaterThan(RUNS / 5);
    expect(refused).toBeLessThan(RUNS);
  });
});
