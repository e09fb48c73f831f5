/**
 * StarCoder2 (transformers: Starcoder2Config, modeling_starcoder2): Llama's order with classic norms, biases everywhere, an MLP without
 * a gate, and perhaps a window.
 *
 *     x += attention(layernorm(x));  x += c_proj(gelu(c_fc(layernorm(x))))
 */
import { readActivation } from '../config/activation.ts';
import { readNumbers } from '../config/decoder-numbers.ts';
import { readLayerWindows, readWindow } from '../config/layer-windows.ts';
import type { Architecture } from './architecture.ts';
import { describeLlamaLayout } from './llama-layout.ts';
import { layerNorm, linear, readIntermediate } from './parts.ts';

export const starcoder2: Architecture = {
  name: 'Starcoder2ForCausalLM',
  modelType: 'starcoder2',
  describe(config) {
    const numbers = readNumbers(config, { contextTokens: 4096 });
    const epsilon = config.positiveOr('norm_epsilon', 1e-5);
    const { hidden, layers } = numbers;
    const biased = config.flagOr('use_bias', true);
    const intermediate = readIntermediate(config);
    const activation = readActivation(config, 'hidden_act', 'gelu_pytorch_tanh');
    const norm = (name: string) => layerNorm({ name, hidden, epsilon });
    return describeLlamaLayout(config, {
      architecture: starcoder2.name,
      numbers,
      epsilon,
      tied: true,
      biased: { input: biased, output: biased },
      windows: readLayerWindows(config, layers, { window: readWindow(config), isSliding: () => true }),
      finalNorm: norm('model.norm'),
      mlp: (at) => ({
        kind: 'plain',
        activation,
        up: linear({ name: `${at}.c_fc`, out: intermediate, in: hidden, biased }),
        down: linear({ name: `${at}.c_proj`, out: hidden, in: intermediate, biased }),
      }),
      change: (layer, at) => ({
        ...layer,
        attentionNorm: norm(`${at}.input_layernorm`),
        mlpNorm: norm(`${at}.post_attention_layernorm`),
      }),
    });
  },
};
