/**
 * GPT-Neo (transformers: GPTNeoConfig, modeling_gpt_neo): learned positions, classic norms, layers that alternate between the whole
 * past and the last `window_size` tokens; scores are not scaled.
 *
 *     x = wte + wpe;  x += out_proj(attention(layernorm(x)));  x += c_proj(gelu(c_fc(layernorm(x))));  logits = wte(layernorm(x))
 */
import type { LayerDescription } from '../blocks/description.ts';
import { readActivation } from '../config/activation.ts';
import type { ConfigReader } from '../config/config-reader.ts';
import { readNumbers, shapeOf } from '../config/decoder-numbers.ts';
import { readWindow } from '../config/layer-windows.ts';
import { most } from '../config/limits.ts';
import type { Architecture } from './architecture.ts';
import { eachLayer, headOf, layerNorm, linear, outputOf, separateInput, table } from './parts.ts';

export const gptNeo: Architecture = {
  name: 'GPTNeoForCausalLM',
  modelType: 'gpt_neo',
  describe(config) {
    const numbers = readNumbers(config, { contextTokens: 2048 }, { layers: 'num_layers', heads: 'num_heads' });
    const { hidden, layers } = numbers;
    const epsilon = config.positiveOr('layer_norm_epsilon', 1e-5);
    const intermediate = config.countOr('intermediate_size', 4 * hidden, { most: most.intermediate });
    const activation = readActivation(config, 'activation_function', 'gelu_new');
    const window = readWindow(config, 'window_size') ?? 256;
    const isLocal = readLocalLayers(config, layers);
    const norm = (name: string) => layerNorm({ name, hidden, epsilon });
    const describeLayer = (layer: number): LayerDescription => {
      const at = `transformer.h.${layer}`;
      return {
        attentionNorm: norm(`${at}.ln_1`),
        attention: {
          input: separateInput(`${at}.attn.attention`, numbers, false),
          output: outputOf(`${at}.attn.attention.out_proj`, numbers, true),
          scale: 1,
          ...(isLocal[layer] === true ? { window } : {}),
        },
        mlpNorm: norm(`${at}.ln_2`),
        mlp: {
          kind: 'plain',
          activation,
          up: linear({ name: `${at}.mlp.c_fc`, out: intermediate, in: hidden, biased: true }),
          down: linear({ name: `${at}.mlp.c_proj`, out: hidden, in: intermediate, biased: true }),
        },
      };
    };
    const embedding = table('transformer.wte', numbers.vocabulary, hidden);
    return {
      shape: shapeOf(gptNeo.name, numbers),
      embedding,
      positions: table('transformer.wpe', numbers.contextTokens, hidden),
      layers: eachLayer(layers, describeLayer),
      finalNorm: norm('transformer.ln_f'),
      head: headOf(config, embedding, { tied: true, name: 'lm_head' }),
      optionalPrefix: 'transformer.',
    };
  },
};

/** [layers]: attention_layers, or attention_types, which repeats lists: [[["global", "local"], 12]]. */
function readLocalLayers(config: ConfigReader, layers: number): readonly boolean[] {
  const field = config.has('attention_layers') ? 'attention_layers' : 'attention_types';
  const names = field === 'attention_layers' ? config.texts(field) : repeated(config, layers);
  const wrong = names.find((name) => name !== 'global' && name !== 'local');
  if (wrong !== undefined) throw config.fault(`${field} has ${JSON.stringify(wrong)} where global or local belongs`);
  if (names.length !== layers)
    throw config.fault(`${field} is for ${names.length} layers, but num_layers is ${layers}`);
  return names.map((name) => name === 'local');
}

function repeated(config: ConfigReader, layers: number): readonly string[] {
  const given = config.raw('attention_types') ?? [[['global', 'local'], layers / 2]];
  const names: string[] = [];
  for (const entry of Array.isArray(given) ? given : [given]) {
    const [pattern, times] = Array.isArray(entry) ? entry : [];
    const isPattern = Array.isArray(pattern) && pattern.length > 0 && pattern.every((name) => typeof name === 'string');
    if (!isPattern || !Number.isSafeInteger(times) || times < 0 || times > most.layers)
      throw config.fault('attention_types is not a list of [names, times]');
    for (let time = 0; time < times && names.length <= layers; time += 1) names.push(...(pattern as string[]));
  }
  return names;
}
