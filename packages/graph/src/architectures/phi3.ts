/**
 * Phi-3 and Phi-4-mini (transformers: Phi3Config, modeling_phi3): Llama with fused projections, a window where it is set, perhaps a partial
 * rotation, and longrope. Which of its factors hold, the short or the long ones, follows from the context setting alone.
 */
import { readActivation } from '../config/activation.ts';
import { readLayerWindows, readWindow } from '../config/layer-windows.ts';
import type { Architecture } from './architecture.ts';
import { describeLlamaLayout, readLlamaNumbers } from './llama-layout.ts';
import { linear, readIntermediate } from './parts.ts';

export const phi3: Architecture = {
  name: 'Phi3ForCausalLM',
  modelType: 'phi3',
  describe(config) {
    const common = readLlamaNumbers(config, { contextTokens: 4096, epsilon: 1e-5 });
    const { hidden, heads, kvHeads, headDim, layers } = common.numbers;
    const intermediate = readIntermediate(config);
    const activation = readActivation(config, 'hidden_act', 'silu');
    return describeLlamaLayout(config, {
      architecture: phi3.name,
      ...common,
      windows: readLayerWindows(config, layers, { window: readWindow(config), isSliding: () => true }),
      mlp: (at) => ({
        kind: 'gated',
        activation,
        input: { kind: 'fused', linear: linear({ name: `${at}.gate_up_proj`, out: 2 * intermediate, in: hidden }) },
        down: linear({ name: `${at}.down_proj`, out: hidden, in: intermediate }),
      }),
      change: (layer, at) => {
        const out = (heads + 2 * kvHeads) * headDim;
        const fused = linear({ name: `${at}.self_attn.qkv_proj`, out, in: hidden });
        return {
          ...layer,
          attention: { ...layer.attention, input: { kind: 'fused', linear: fused, rows: 'by-kind' } },
        };
      },
    });
  },
};
